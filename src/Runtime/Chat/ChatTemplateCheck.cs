using System.Text.RegularExpressions;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>Looks a model's chat templates over when it is loaded, so that what is wrong with them is told then and not with the first chat.</summary>
internal static partial class ChatTemplateCheck
{
    // Words that no template writes by itself.
    private const string User = "hearth-probe-user", Assistant = "hearth-probe-assistant";

    private const int MostNamed = 8;

    /// <summary>What is wrong.</summary>
    /// <param name="Fault">Why the model cannot chat; null where it can, or has no template.</param>
    /// <param name="Warnings">What is odd, that included; a sentence each.</param>
    public sealed record Result(string? Fault, IReadOnlyList<string> Warnings);

    /// <summary>The tokens that a template spells as markers although the file does not call them control tokens.</summary>
    public static IEnumerable<string> Markers(ModelTemplates templates)
        => templates.Sources.SelectMany(source => Marker().Matches(source)).Select(match => match.Value).Distinct(StringComparer.Ordinal);

    /// <summary>Parses nothing anew: tries the templates with a small chat and compares their markers with the vocabulary.</summary>
    /// <param name="templates">The file's templates.</param>
    /// <param name="renderer">Renders them.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public static Result Run(ModelTemplates templates, ChatPromptRenderer renderer, Tokenizer tokenizer)
    {
        var warnings = new List<string>();
        if (templates.ToolFault is { } toolFault)
            warnings.Add(toolFault + "; chats with tools are refused");
        if (!templates.HasTemplate)
            return new Result(null, warnings);
        if (templates.Fault is { } fault)
        {
            warnings.Add(fault + "; the model cannot chat");
            return new Result(fault, warnings);
        }

        if (templates.Sources.Any(GgufText.HasEscapes))
            warnings.Add($"the model's chat template ('{ModelTemplates.Key}') has bytes that are not UTF-8; each is U+FFFD in the prompt");
        fault = Try(renderer, warnings, out var written);
        AddMissingRoles(templates, tokenizer, warnings);
        AddMarkers(templates, tokenizer, written, warnings);
        if (tokenizer.EndOfGenerationIds.Count == 0)
            warnings.Add("no token of the vocabulary ends a text: an answer goes on until its limit");
        return new Result(fault, warnings);
    }

    private static string? Try(ChatPromptRenderer renderer, List<string> warnings, out string written)
    {
        ChatMessage[] turns = [new("user", User), new("assistant", Assistant), new("user", User)];
        written = "";
        foreach (var messages in new[] { turns, turns[..1] })
        {
            try
            {
                written = renderer.Render(new ChatPrompt { Messages = messages });
                break;
            }
            catch (ChatTemplateFailureException exception) when (messages.Length == 1)
            {
                // A template may well want other messages than these; one that writes nothing serves no chat.
                warnings.Add($"a trial chat of one user message: {exception.Message}");
                return exception.InnerException is null ? exception.Message : null;
            }
            catch (ChatTemplateFailureException)
            {
                // One message is the simplest chat.
            }
        }

        if (!written.Contains(User, StringComparison.Ordinal))
            warnings.Add($"the model's chat template ('{ModelTemplates.Key}') does not write what the user says");
        return null;
    }

    private static void AddMissingRoles(ModelTemplates templates, Tokenizer tokenizer, List<string> warnings)
    {
        foreach (var (variable, id) in new[] { ("bos_token", tokenizer.BeginOfTextId), ("eos_token", tokenizer.EndOfTextId) })
        {
            if (id is null && templates.Sources.Any(source => source.Contains(variable, StringComparison.Ordinal)))
                warnings.Add($"the chat template uses {variable}, but 'tokenizer.ggml.{variable}_id' names none: it is the empty text");
        }
    }

    private static void AddMarkers(ModelTemplates templates, Tokenizer tokenizer, string written, List<string> warnings)
    {
        var inPieces = Markers(templates).Where(marker => IsOrdinary(tokenizer, marker)).ToList();
        if (inPieces.Count > 0)
            warnings.Add($"the chat template writes {Names(inPieces)}, which the file types as ordinary text: {Pieces(tokenizer, inPieces[0])} pieces are read in place of the first. TemplateControlTokens (--template-control-tokens) takes such spellings for control tokens");
        var unknown = Marker().Matches(written).Select(match => match.Value).Distinct(StringComparer.Ordinal)
            .Where(marker => marker is ['<', '|', .., '|', '>'] && !tokenizer.TryGetId(marker, out _)).ToList();
        if (unknown.Count > 0)
            warnings.Add($"the chat template writes {Names(unknown)}, which the vocabulary lacks: {Pieces(tokenizer, unknown[0])} pieces are read in place of the first");
    }

    // A spelling that comes out as its token all the same harms nobody.
    private static bool IsOrdinary(Tokenizer tokenizer, string marker)
        => tokenizer.TryGetId(marker, out var id) && tokenizer.KindOf(id) is not (TokenKind.Control or TokenKind.UserDefined or TokenKind.Unknown)
            && !(tokenizer.Encode(marker, addSpecial: false, parseSpecial: true) is [var only] && only == id);

    private static int Pieces(Tokenizer tokenizer, string marker) => tokenizer.Encode(marker, addSpecial: false, parseSpecial: true).Count;

    private static string Names(List<string> markers)
        => string.Join(", ", markers.Take(MostNamed)) + (markers.Count > MostNamed ? $" and {markers.Count - MostNamed} more" : "");

    // The forms in which models spell what structures a chat.
    [GeneratedRegex(@"<\|[^\s<>|]{1,60}\|>|<\uFF5C[^\s<>]{1,60}\uFF5C>|</?[A-Za-z_][\w-]{0,60}>|\[/?[A-Z_]{2,30}\]", RegexOptions.CultureInvariant)]
    private static partial Regex Marker();
}
