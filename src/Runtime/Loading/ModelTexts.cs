using Hearth.Runtime.Chat;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Loading;

/// <summary>How a model's texts and chats become tokens, with what is odd about it.</summary>
/// <param name="Tokenizers">The vocabularies.</param>
/// <param name="Chat">Renders chats; null where the file has no vocabulary, or the model is none that chats.</param>
/// <param name="CanChat">Whether the file has a template that works.</param>
/// <param name="ChatFault">Why it does not.</param>
/// <param name="Warnings">What is odd, a sentence each.</param>
internal sealed record ModelTexts(ModelTokenizers Tokenizers, ChatPromptRenderer? Chat, bool CanChat, string? ChatFault, IReadOnlyList<string> Warnings)
{
    /// <summary>Reads what the file has.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="promotesMarkers">Whether markers of the template are control tokens whatever the file says.</param>
    /// <param name="chats">Whether the model is one that writes text.</param>
    /// <param name="foreign">Another engine's tokenizer, for a vocabulary of a kind that is not built in; null: there is none.</param>
    /// <param name="template">A chat template in the place of the file's; null: none.</param>
    /// <param name="fallback">A chat template where the file has none; null: none.</param>
    /// <exception cref="ModelFormatException">Keys are missing, mistyped or contradict each other.</exception>
    public static ModelTexts Read(GgufMetadata metadata, bool promotesMarkers, bool chats, IForeignVocabulary? foreign = null, string? template = null, string? fallback = null)
    {
        var templates = new ModelTemplates(metadata, template, fallback);
        var tokenizers = ModelTokenizers.Read(metadata, promotesMarkers ? ChatTemplateCheck.Markers(templates) : [], foreign);
        if (!chats || tokenizers.Input is not { } tokenizer)
            return new ModelTexts(tokenizers, null, templates is { HasTemplate: true, Fault: null }, templates.Fault, Told(tokenizers.Warnings));
        var renderer = new ChatPromptRenderer(templates, tokenizer, TimeProvider.System);
        var check = ChatTemplateCheck.Run(templates, renderer, tokenizer);
        return new ModelTexts(tokenizers, renderer, templates.HasTemplate && check.Fault is null, check.Fault, Told([.. templates.IsFallback ? [NoTemplate] : Array.Empty<string>(), .. tokenizers.Warnings, .. check.Warnings]));
    }

    private const string NoTemplate = "the file has no chat template; another stands in for it, which the model may never have met";

    /// <summary>What is odd about a file's vocabulary and templates, for whoever looks at it without loading it.</summary>
    /// <remarks>What only a whole load finds, such as a vocabulary of another length than the model, is not among it.</remarks>
    public static IReadOnlyList<string> Inspect(GgufMetadata metadata)
    {
        try
        {
            return Read(metadata, promotesMarkers: false, chats: true).Warnings;
        }
        catch (ModelFormatException exception)
        {
            return Told([exception.Message]);
        }
    }

    // They go to terminals and logs, and quote a file that may hold anything.
    private static string[] Told(IEnumerable<string> warnings)
    {
        const int Longest = 1000;
        return [.. warnings.Select(warning => GgufDescription.Printable(warning.Length <= Longest ? warning : warning[..Longest] + " …"))];
    }
}
