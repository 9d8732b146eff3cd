using System.Runtime.CompilerServices;

namespace Hearth.Host.Tests.Keys;

/// <summary>Tests read no keys of whoever runs them, and leave nothing in their folders.</summary>
internal static class OwnFolders
{
    [ModuleInitializer]
    public static void Set()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"hearth-test-{Environment.ProcessId}-none");
        Environment.SetEnvironmentVariable("XDG_CONFIG_HOME", folder);
        Environment.SetEnvironmentVariable("XDG_DATA_HOME", folder);
    }
}
