namespace Hearth.Host.Tests;

/// <summary>Tests that change the process's environment run beside no others.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class EnvironmentTests
{
    public const string Name = "environment";
}
