using Hearth.Extensions.AI;

namespace Hearth.SemanticKernel;

/// <summary>Where a Semantic Kernel service finds its model: a file loaded into this process, or a Hearth service.</summary>
/// <remarks>Immutable.</remarks>
public sealed record HearthServiceOptions : HearthClientOptions
{
    /// <summary>The key under which the kernel finds this service among several; null: none.</summary>
    public string? ServiceId { get; init; }
}
