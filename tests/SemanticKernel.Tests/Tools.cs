using Hearth.Runtime.Chat.Dialects;

namespace Hearth.SemanticKernel.Tests;

internal static class Tools
{
    /// <summary>A dialect whose template tells of tools, calls and results itself, so that tests see them as they were handed over.</summary>
    public static ChatDialect OfTemplate { get; } = new("json", CallSyntax.Tagged, ToolPrompting.ByTemplate, null);
}
