using System.Text;
using Hearth.Host.CommandLine.Terminal;
using Spectre.Console;

namespace Hearth.Host.CommandLine.Chats;

/// <summary>A chat with somebody at a terminal, or with a pipe.</summary>
internal sealed class TerminalChat
{
    private const string BlockMark = "\"\"\"";

    private readonly CommandEnvironment _environment;
    private readonly ILanguageModel _model;
    private readonly ChatSettings _settings;
    private readonly ChatCommands _commands;
    private readonly bool _isInteractive;
    private readonly IAnsiConsole _console;
    private readonly LineEditor? _editor;

    public TerminalChat(CommandEnvironment environment, ILanguageModel model, ChatSettings settings, string? system)
    {
        (_environment, _model, _settings) = (environment, model, settings);
        _isInteractive = !environment.InputIsPiped && !environment.OutputIsPiped;
        _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(environment.Output) });
        _commands = new ChatCommands(_console, model, settings, system);
        _editor = _isInteractive && environment.Terminal is { } terminal ? new LineEditor(terminal, environment.Output, InputHistory.OfUser(), _commands.Complete) : null;
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Greet();
        using var input = new StreamReader(_environment.Input, new UTF8Encoding(false));
        while (await ReadAsync(input, cancellationToken) is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            if (!_isInteractive || !ChatCommands.IsCommand(line))
            {
                await TryAnswerAsync(line, cancellationToken);
                continue;
            }

            switch (_commands.Run(line.TrimEnd()))
            {
                case ChatCommands.Next.Leave:
                    return;
                case ChatCommands.Next.Answer:
                    await TryAnswerAsync(null, cancellationToken);
                    break;
            }
        }
    }

    private void Greet()
    {
        if (_isInteractive)
        {
            var information = _model.Information;
            _console.MarkupLineInterpolated(
                $"[bold]{information.Id}[/] [grey]{information.Architecture}, {information.ParameterCount / 1e6:0.0} M parameters, context {information.ContextLength}[/]");
            _console.MarkupLine("[grey]/help lists the commands. Ctrl-C ends an answer; /exit, Ctrl-D or Ctrl-C at the prompt leave.[/]");
        }
    }

    private async Task<string?> ReadAsync(StreamReader input, CancellationToken cancellationToken)
    {
        var line = await ReadLineAsync(input, isFirst: true, cancellationToken);

        // Lines between marks are one message.
        if (line is null || !_isInteractive || !line.StartsWith(BlockMark, StringComparison.Ordinal))
        {
            return line;
        }

        var block = new StringBuilder(line[BlockMark.Length..]);
        while (!block.ToString().EndsWith(BlockMark, StringComparison.Ordinal))
        {
            if (await ReadLineAsync(input, isFirst: false, cancellationToken) is not { } next)
            {
                return block.ToString();
            }

            block.Append('\n').Append(next.TrimEnd() == BlockMark ? BlockMark : next);
        }

        return block.ToString(0, block.Length - BlockMark.Length).Trim('\n');
    }

    private async Task<string?> ReadLineAsync(StreamReader input, bool isFirst, CancellationToken cancellationToken)
    {
        // A read from a terminal cannot be cancelled; leaving it behind lets Ctrl-C end the process at once.
        if (_editor is not null)
        {
            return await Task.Run(() => _editor.Read(isFirst ? "> " : ". ", "\u001b[1;32m"), cancellationToken).WaitAsync(cancellationToken);
        }

        if (_isInteractive)
        {
            _console.Markup(isFirst ? "[bold green]> [/]" : "[bold green]. [/]");
        }

        return await Task.Run(input.ReadLine, cancellationToken).WaitAsync(cancellationToken);
    }

    // A turn that cannot be answered, because it no longer fits or the template refuses it, is no reason to end a chat with somebody.
    private async Task TryAnswerAsync(string? line, CancellationToken cancellationToken)
    {
        var before = _commands.Messages.Count;
        try
        {
            if (line is not null)
            {
                _commands.Messages.Add(new ChatMessage("user", line));
            }

            await AnswerAsync(cancellationToken);
        }
        catch (HearthException exception) when (_isInteractive)
        {
            _commands.Messages.RemoveRange(before, _commands.Messages.Count - before);
            _console.MarkupLineInterpolated($"[red]{exception.Message}[/] [grey](/clear starts over)[/]");
        }
    }

    private async Task AnswerAsync(CancellationToken cancellationToken)
    {
        var turn = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [.. _commands.Messages] }, Options = _settings.Options };
        var answer = new Shown(this);
        var ended = true;
        if (_isInteractive)
        {
            ended = await _environment.Interruption.RunAsync(WriteAsync, cancellationToken);
        }
        else
        {
            await WriteAsync(cancellationToken);
        }

        await answer.EndAsync();
        _commands.Messages.Add(answer.ToMessage());
        if (!ended)
        {
            _console.MarkupLine("[grey](ended by Ctrl-C)[/]");
        }
        else if (_isInteractive && answer.FinishReason is { } reason and not FinishReason.Stop)
        {
            _console.MarkupLineInterpolated($"[grey](ended by: {reason})[/]");
        }

        async Task WriteAsync(CancellationToken cancelled)
        {
            await foreach (var update in _model.ChatAsync(turn, cancelled))
            {
                await answer.AddAsync(update);
            }
        }
    }

    /// <summary>An answer as it comes, and as it is shown: as markdown where the terminal can show it.</summary>
    private sealed class Shown(TerminalChat chat)
    {
        private readonly StringBuilder _reply = new();
        private readonly StringBuilder _thoughts = new();
        private readonly MarkdownStream? _markdown = chat._editor is not null && chat._console.Profile.Capabilities.Ansi
            ? new MarkdownStream(chat._console, chat._environment.Output, chat._environment.Terminal!) : null;

        public FinishReason? FinishReason { get; private set; }

        public async Task AddAsync(ChatUpdate update)
        {
            if (update.Reasoning.Length > 0)
            {
                _thoughts.Append(update.Reasoning);

                // Dim on a terminal; in a pipe only replies come out.
                if (chat._isInteractive)
                {
                    chat._console.MarkupInterpolated($"[grey]{TerminalText.Harmless(update.Reasoning)}[/]");
                }
            }

            // Behind thoughts the answer begins on a line of its own.
            if (update.Text.Length > 0 && _reply.Length == 0 && _thoughts.Length > 0 && chat._isInteractive)
            {
                await chat._environment.Output.WriteAsync("\n\n");
            }

            _reply.Append(update.Text);
            if (_markdown is not null)
            {
                _markdown.Write(update.Text);
            }
            else
            {
                await chat._environment.Output.WriteAsync(chat._isInteractive ? TerminalText.Harmless(update.Text) : update.Text);
            }

            FinishReason = update.FinishReason ?? FinishReason;
            foreach (var warning in update.Warnings)
            {
                await chat._environment.Error.WriteLineAsync($"hearth: warning: {warning}");
            }
        }

        public async Task EndAsync()
        {
            if (_markdown is not null)
            {
                _markdown.End();
            }
            else
            {
                await chat._environment.Output.WriteLineAsync();
            }
        }

        public ChatMessage ToMessage() => new("assistant", _reply.ToString()) { Reasoning = _thoughts.Length > 0 ? _thoughts.ToString() : null };
    }
}
