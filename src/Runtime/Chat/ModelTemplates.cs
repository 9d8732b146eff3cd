using Hearth.Runtime.Gguf;
using Hearth.Runtime.Templates;

namespace Hearth.Runtime.Chat;

/// <summary>The chat templates that a model's file carries, parsed once; one that cannot be used says why.</summary>
/// <remarks>Immutable; safe to use from several threads.</remarks>
internal sealed class ModelTemplates
{
    /// <summary>The key of the template for every chat.</summary>
    public const string Key = "tokenizer.chat_template";

    /// <summary>The key of the template for chats with tools, which few files have.</summary>
    public const string ToolKey = Key + ".tool_use";

    private readonly ChatTemplate? _template;
    private readonly ChatTemplate? _toolTemplate;
    private readonly bool _hasToolTemplate;

    /// <summary>Parses what the file has; does not fail.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="template">A template in the place of the file's; null: none.</param>
    /// <param name="fallback">A template where the file has none; null: none.</param>
    public ModelTemplates(GgufMetadata metadata, string? template = null, string? fallback = null)
    {
        IsFallback = template is null && fallback is not null && !metadata.Contains(Key);
        if ((template ?? (IsFallback ? fallback : null)) is { } given)
        {
            HasTemplate = true;
            (_template, Fault) = Parse(given);
            return;
        }

        _hasToolTemplate = metadata.Contains(ToolKey);
        HasTemplate = metadata.Contains(Key);
        (_template, Fault) = Parse(metadata, Key);
        (_toolTemplate, ToolFault) = Parse(metadata, ToolKey);
    }

    /// <summary>Whether the file has no template and another stands in for it.</summary>
    public bool IsFallback { get; }

    /// <summary>Whether there is a template, usable or not.</summary>
    public bool HasTemplate { get; }

    /// <summary>Why the template cannot be used, its key named; null where it can, or there is none.</summary>
    public string? Fault { get; }

    /// <summary>Why the template for tools cannot be used, likewise.</summary>
    public string? ToolFault { get; }

    /// <summary>The texts of the templates that can be used.</summary>
    public IEnumerable<string> Sources => new[] { _template?.Source, _toolTemplate?.Source }.OfType<string>();

    /// <summary>The template of a chat, and its key for errors.</summary>
    /// <param name="withTools">Whether the chat has tools.</param>
    /// <exception cref="HearthException">There is none, or it cannot be used.</exception>
    public (ChatTemplate Template, string Key) Select(bool withTools)
    {
        if (withTools && _hasToolTemplate)
            return (_toolTemplate ?? throw new ChatTemplateFailureException($"{ToolFault}; chats without tools can do without it"), ToolKey);
        if (_template is not null)
            return (_template, Key);
        throw new HearthException(Fault is null
            ? $"the model has no chat template (metadata key '{Key}' is missing); give it a plain prompt instead"
            : $"{Fault}; give the model a plain prompt instead");
    }

    private static (ChatTemplate? Template, string? Fault) Parse(string source, string key = Key)
    {
        try
        {
            return (ChatTemplate.Parse(source), null);
        }
        catch (TemplateException exception)
        {
            return (null, $"the model's chat template ('{key}') cannot be read: {exception.Message}");
        }
    }

    private static (ChatTemplate? Template, string? Fault) Parse(GgufMetadata metadata, string key)
    {
        switch (metadata.Find(key))
        {
            case null:
                return (null, null);
            case string source:
                return Parse(source, key);
            case Array array:
                return (null, $"the model's chat template ('{key}') is an array of {array.Length} elements, expected a text");
            case var other:
                return (null, $"the model's chat template ('{key}') is of type {other.GetType().Name}, expected a text");
        }
    }
}
