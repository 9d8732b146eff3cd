using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>What the configuration says of answers where a request says nothing.</summary>
internal static class ModelDefaults
{
    private static readonly object Key = new();

    /// <summary>Takes note of what a request was found to be for.</summary>
    public static void Note(HttpContext context, CatalogEntry entry, PresetConfiguration? preset) => context.Items[Key] = new Served(entry, preset);

    /// <summary>The model that answers a request; null where it is for none.</summary>
    public static CatalogEntry? EntryOf(HttpContext context) => (context.Items.TryGetValue(Key, out var served) ? (Served?)served : null)?.Entry;

    /// <summary>The preset that a request was found to name; null where it names a model.</summary>
    public static PresetConfiguration? PresetOf(HttpContext context) => (context.Items.TryGetValue(Key, out var served) ? (Served?)served : null)?.Preset;

    /// <summary>Options with the defaults of the preset, then of the model, where they are null.</summary>
    public static GenerationOptions Apply(HttpContext context, GenerationOptions options)
    {
        if (!context.Items.TryGetValue(Key, out var found) || found is not Served served)
        {
            return options;
        }

        options = served.Preset?.Sampling is { } preset ? preset.Complete(options) : options;
        return served.Entry.Configuration.Sampling is { } sampling ? sampling.Complete(options) : options;
    }

    /// <summary>A chat that begins with the system prompt of the preset or the model, where it has none of its own.</summary>
    public static ChatPrompt Apply(HttpContext context, ChatPrompt chat)
    {
        var served = context.Items.TryGetValue(Key, out var found) ? found as Served : null;
        var system = served?.Preset?.System ?? served?.Entry.Configuration.System;
        return string.IsNullOrEmpty(system) || chat.Messages is not [var first, ..] || first.Role == "system"
            ? chat
            : chat with { Messages = [new ChatMessage("system", system), .. chat.Messages] };
    }

    private sealed record Served(CatalogEntry Entry, PresetConfiguration? Preset);
}
