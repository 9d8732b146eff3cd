using System.Buffers;
using Hearth.Host.CommandLine.Terminal;
using Spectre.Console;

namespace Hearth.Host.CommandLine.Chats;

/// <summary>The commands of a chat, /help and its kin, and the messages that they are about.</summary>
internal sealed class ChatCommands
{
    private static readonly SearchValues<char> Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?");

    private readonly IAnsiConsole _console;
    private readonly ILanguageModel _model;
    private readonly ChatSettings _settings;
    private readonly Entry[] _all;
    private string? _system;

    public ChatCommands(IAnsiConsole console, ILanguageModel model, ChatSettings settings, string? system)
    {
        (_console, _model, _settings, _system) = (console, model, settings, system);
        _all =
        [
            new(["help", "?"], "", "this list", _ => Help()),
            new(["clear"], "", "start over", _ => Clear()),
            new(["system"], "[TEXT]", "the system prompt: show it, or set it and start over; /system none is without one", System),
            new(["set"], "[NAME [VALUE]]", "options of sampling: show them, set one, or leave it to the model", Set),
            new(["regenerate", "retry"], "", "answer the last message again", _ => Regenerate()),
            new(["undo"], "", "take back the last message and its answer", _ => Undo()),
            new(["show"], "", "the model, the settings, and how long the chat is", _ => Show()),
            new(["save"], "FILE", "write the chat to a file of JSON", Save),
            new(["load"], "FILE", "go on with a chat that was saved", Load),
            new(["exit", "quit", "bye"], "", "leave, as do Ctrl-D and Ctrl-C at the prompt", _ => Next.Leave),
        ];
        Clear();
    }

    /// <summary>What comes after a command.</summary>
    public enum Next
    {
        Prompt,
        Answer,
        Leave,
    }

    public List<ChatMessage> Messages { get; } = [];

    /// <summary>Whether a line is one; a path or a quotation is none.</summary>
    public static bool IsCommand(string line)
    {
        var word = line.AsSpan(0, line.AsSpan().IndexOfAny(' ', '\n') is >= 0 and var end ? end : line.Length).TrimEnd();
        return word.Length > 1 && word[0] == '/' && word[1..].IndexOfAnyExcept(Letters) < 0;
    }

    /// <summary>What a beginning of a command may become.</summary>
    public IReadOnlyList<string> Complete(string beginning)
    {
        if (beginning.StartsWith("/set ", StringComparison.Ordinal))
        {
            return [.. _settings.Names.Select(name => $"/set {name} ").Where(line => line.StartsWith(beginning, StringComparison.Ordinal))];
        }

        return beginning.StartsWith('/')
            ? [.. _all.SelectMany(entry => entry.Names.Select(name => $"/{name}{(entry.Arguments.Length > 0 ? " " : "")}")).Where(line => line.StartsWith(beginning, StringComparison.Ordinal))]
            : [];
    }

    /// <summary>Runs one.</summary>
    public Next Run(string line)
    {
        var end = line.IndexOfAny([' ', '\n']);
        var (name, rest) = end < 0 ? (line[1..], "") : (line[1..end], line[end..].Trim());
        if (Array.Find(_all, entry => entry.Names.Contains(name, StringComparer.OrdinalIgnoreCase)) is not { } found)
        {
            var near = Suggestions.Nearest(name, _all.SelectMany(entry => entry.Names));
            Tell($"there is no /{name}{(near is null ? "" : $"; did you mean /{near}?")} /help lists what there is. A line that begins with a space goes to the model as it is.");
            return Next.Prompt;
        }

        if (found.Arguments.Length == 0 && rest.Length > 0)
        {
            Tell($"/{name} takes nothing behind it. A line that begins with a space goes to the model as it is.");
            return Next.Prompt;
        }

        try
        {
            return found.Run(rest);
        }
        catch (Exception failure) when (failure is HearthException or IOException or UnauthorizedAccessException)
        {
            _console.MarkupLineInterpolated($"[red]{failure.Message}[/]");
            return Next.Prompt;
        }
    }

    private void Tell(string text) => _console.MarkupLineInterpolated($"[grey]{text}[/]");

    private Next Help()
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        foreach (var entry in _all)
        {
            grid.AddRow(new Text($"{string.Join(", ", entry.Names.Select(name => "/" + name))} {entry.Arguments}".TrimEnd(), new Style(Color.Grey)), new Text(entry.Help, new Style(Color.Grey)));
        }

        grid.AddRow(new Text("Ctrl-C", new Style(Color.Grey)), new Text("ends an answer; what came of it stays in the chat", new Style(Color.Grey)));
        grid.AddRow(new Text("Alt-Enter, \\", new Style(Color.Grey)), new Text("another line: Alt-Enter, or a backslash at the end of one; lines between \"\"\" are one message", new Style(Color.Grey)));
        _console.Write(grid);
        return Next.Prompt;
    }

    private Next Clear()
    {
        Messages.Clear();
        if (!string.IsNullOrEmpty(_system))
        {
            Messages.Add(new ChatMessage("system", _system));
        }

        return Next.Prompt;
    }

    private Next System(string text)
    {
        if (text.Length == 0)
        {
            Tell(string.IsNullOrEmpty(_system) ? "there is no system prompt" : TerminalText.Harmless(_system));
            return Next.Prompt;
        }

        _system = text == "none" ? null : text;
        Tell("the chat starts over");
        return Clear();
    }

    private Next Set(string text)
    {
        if (text.Length == 0)
        {
            string[] set = [.. _settings.Describe()];
            Tell(set.Length == 0 ? $"all as the model has it; there are: {string.Join(", ", _settings.Names)}" : string.Join('\n', set));
            return Next.Prompt;
        }

        var space = text.IndexOf(' ', StringComparison.Ordinal);
        var (name, value) = space < 0 ? (text, null) : (text[..space], text[space..].Trim());
        Tell(_settings.Set(name, value) ?? (value is null ? $"{name} is the model's own" : $"{name} is {value}"));
        return Next.Prompt;
    }

    private Next Regenerate()
    {
        if (Messages is not [.., { Role: "assistant" }])
        {
            Tell("there is no answer yet");
            return Next.Prompt;
        }

        Messages.RemoveAt(Messages.Count - 1);
        return Next.Answer;
    }

    private Next Undo()
    {
        var at = Messages.FindLastIndex(message => message.Role == "user");
        if (at < 0)
        {
            Tell("there is nothing to take back");
            return Next.Prompt;
        }

        Messages.RemoveRange(at, Messages.Count - at);
        Tell($"taken back; {Messages.Count(message => message.Role == "user")} messages are left");
        return Next.Prompt;
    }

    private Next Show()
    {
        var information = _model.Information;
        Tell($"{information.Id}: {information.Architecture}, {information.ParameterCount / 1e6:0.0} M parameters, context {information.ContextLength}");
        Tell(string.IsNullOrEmpty(_system) ? "no system prompt" : $"system: {TerminalText.Harmless(_system)}");
        foreach (var setting in _settings.Describe())
        {
            Tell(setting);
        }

        Tell($"{Messages.Count(message => message.Role == "user")} messages, {Messages.Sum(message => (long)(message.Content?.Length ?? 0))} characters");
        return Next.Prompt;
    }

    private Next Save(string path)
    {
        if (path.Length == 0)
        {
            Tell("/save needs the name of a file");
            return Next.Prompt;
        }

        ChatFile.Save(path, _model.Information.Id, Messages);
        Tell($"{Messages.Count} messages are in {Path.GetFullPath(path)}");
        return Next.Prompt;
    }

    private Next Load(string path)
    {
        if (path.Length == 0)
        {
            Tell("/load needs the name of a file");
            return Next.Prompt;
        }

        var loaded = ChatFile.Load(path);
        Messages.Clear();
        Messages.AddRange(loaded);
        _system = loaded.Find(message => message.Role == "system")?.Content;
        foreach (var message in loaded.TakeLast(2).Where(message => message.Role != "system"))
        {
            Tell($"{message.Role}: {TerminalText.Harmless(message.Content ?? "")}");
        }

        Tell($"{loaded.Count} messages; the chat goes on behind them");
        return Next.Prompt;
    }

    private sealed record Entry(string[] Names, string Arguments, string Help, Func<string, Next> Run);
}
