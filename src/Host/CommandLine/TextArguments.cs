using System.CommandLine;
using System.Text;

namespace Hearth.Host.CommandLine;

/// <summary>The texts that a verb reads: from options, a file, or what is piped in.</summary>
internal sealed class TextArguments
{
    private readonly Option<string[]> _text = new("--text") { Description = "A text; may be given several times (default: a text on each line of what is piped in).", HelpName = "TEXT" };
    private readonly Option<string?> _input = new("--input") { Description = "A file with a text on each line.", HelpName = "FILE" };
    private string _verb = "";

    public void AddTo(Command command)
    {
        _verb = command.Name;
        command.Options.Add(_text);
        command.Options.Add(_input);
    }

    /// <exception cref="UsageException">None is given, or both.</exception>
    /// <exception cref="HearthException">There is no text.</exception>
    public async Task<string[]> ReadAsync(CommandEnvironment environment, ParseResult parsed, CancellationToken cancellationToken)
    {
        var (texts, file) = (parsed.GetValue(_text) ?? [], parsed.GetValue(_input));
        if (texts.Length > 0)
        {
            return file is null ? texts : throw new UsageException($"{_verb} takes --text or --input, not both");
        }

        if (file is null && !environment.InputIsPiped)
        {
            throw new UsageException($"{_verb} needs --text, --input, or texts piped in");
        }

        using var reader = new StreamReader(new MemoryStream(await environment.ReadAllAsync(file, cancellationToken)), new UTF8Encoding(false));
        var lines = new List<string>();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            lines.Add(line);
        }

        return lines.Count > 0 ? [.. lines] : throw new HearthException($"{file ?? "the input"} holds no text");
    }

    /// <summary>The ids of one of several texts, for a model that reads whole texts.</summary>
    /// <exception cref="HearthException">The text is empty.</exception>
    /// <exception cref="ContextLengthExceededException">It does not fit.</exception>
    public static IReadOnlyList<int> Tokenize(IEmbeddingModel model, string text, int index)
    {
        var ids = text.Length == 0 ? [] : model.Tokenize(text);
        return ids.Count == 0 ? throw new HearthException($"text {index} is empty")
            : ids.Count <= model.Information.ContextLength ? ids
            : throw new ContextLengthExceededException(ids.Count, model.Information.ContextLength, index);
    }
}
