using System.CommandLine;
using System.Text;
using Hearth.Host.Service;
using Spectre.Console;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth run [MODEL]</c>: a chat in the terminal; in a pipe each line is one turn and only the replies come out.</summary>
internal static class RunVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: false);
        var sampling = new SamplingArguments();
        var system = new Option<string?>("--system") { Description = "The system prompt.", HelpName = "TEXT" };
        var command = new Command("run", "Chat in the terminal.") { system };
        model.AddTo(command);
        sampling.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = sampling.Read(parsed);
            var loaded = await environment.LoadModelAsync(model.Read(parsed), cancellationToken);
            try
            {
                if (!loaded.Information.HasChatTemplate)
                {
                    throw new HearthException(loaded.Information.ChatTemplateFault ?? $"the model '{loaded.Information.Id}' has no chat template; use hearth generate");
                }

                await new Chat(environment, loaded, options, parsed.GetValue(system)).RunAsync(cancellationToken);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private sealed class Chat(CommandEnvironment environment, ILanguageModel model, GenerationOptions options, string? system)
    {
        private static readonly System.Buffers.SearchValues<char> Letters = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?");

        private readonly List<ChatMessage> _messages = [];
        private readonly bool _isInteractive = !environment.InputIsPiped && !environment.OutputIsPiped;
        private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(environment.Output) });

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            Clear();
            Greet();
            using var input = new StreamReader(environment.Input, new UTF8Encoding(false));
            while (await ReadLineAsync(input, cancellationToken) is { } line)
            {
                switch (line.TrimEnd())
                {
                    case var blank when string.IsNullOrWhiteSpace(blank):
                        continue;
                    case "/exit" or "/quit" or "/bye" when _isInteractive:
                        return;
                    case "/clear" when _isInteractive:
                        Clear();
                        continue;
                    case "/help" or "/?" when _isInteractive:
                        Help();
                        continue;
                    case var command when _isInteractive && IsCommand(line):
                        _console.MarkupLineInterpolated($"[grey]there is no {command}; /help lists what there is. A line that begins with a space goes to the model as it is.[/]");
                        continue;
                    default:
                        await TryAnswerAsync(line, cancellationToken);
                        continue;
                }
            }
        }

        // A path or a quotation is no command.
        private static bool IsCommand(string line) => line.Length > 1 && line[0] == '/' && line.AsSpan(1).TrimEnd().IndexOfAnyExcept(Letters) < 0;

        private void Help()
        {
            _console.MarkupLine("[grey]/help    this list[/]");
            _console.MarkupLine("[grey]/clear   start over[/]");
            _console.MarkupLine("[grey]/exit    leave, as do /quit, /bye, Ctrl-D and Ctrl-C at the prompt[/]");
            _console.MarkupLine("[grey]Ctrl-C   ends an answer; what came of it stays in the chat[/]");
        }

        private void Clear()
        {
            _messages.Clear();
            if (system is not null)
            {
                _messages.Add(new ChatMessage("system", system));
            }
        }

        private void Greet()
        {
            if (_isInteractive)
            {
                var information = model.Information;
                _console.MarkupLineInterpolated(
                    $"[bold]{information.Id}[/] [grey]{information.Architecture}, {information.ParameterCount / 1e6:0.0} M parameters, context {information.ContextLength}[/]");
                _console.MarkupLine("[grey]/help lists the commands. Ctrl-C ends an answer; /exit, Ctrl-D or Ctrl-C at the prompt leave.[/]");
            }
        }

        // Dim on a terminal; in a pipe only replies come out.
        private void TellThoughts(string text)
        {
            if (_isInteractive)
            {
                _console.MarkupInterpolated($"[grey]{text}[/]");
            }
        }

        private async Task<string?> ReadLineAsync(StreamReader input, CancellationToken cancellationToken)
        {
            if (_isInteractive)
            {
                _console.Markup("[bold green]> [/]");
            }

            // A read from a terminal cannot be cancelled; leaving it behind lets Ctrl-C end the process at once.
            return await Task.Run(input.ReadLine, cancellationToken).WaitAsync(cancellationToken);
        }

        // A turn that cannot be answered, because it no longer fits or the template refuses it, is no reason to end a chat with somebody.
        private async Task TryAnswerAsync(string line, CancellationToken cancellationToken)
        {
            try
            {
                await AnswerAsync(line, cancellationToken);
            }
            catch (HearthException exception) when (_isInteractive)
            {
                _messages.RemoveAt(_messages.Count - 1);
                _console.MarkupLineInterpolated($"[red]{exception.Message}[/] [grey](/clear starts over)[/]");
            }
        }

        private async Task AnswerAsync(string line, CancellationToken cancellationToken)
        {
            _messages.Add(new ChatMessage("user", line));
            var turn = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [.. _messages] }, Options = options };
            var reply = new StringBuilder();
            var thoughts = new StringBuilder();
            ChatUpdate? last = null;
            var ended = true;
            if (_isInteractive)
            {
                ended = await environment.Interruption.RunAsync(WriteAsync, cancellationToken);
            }
            else
            {
                await WriteAsync(cancellationToken);
            }

            await environment.Output.WriteLineAsync();
            _messages.Add(new ChatMessage("assistant", reply.ToString()) { Reasoning = thoughts.Length > 0 ? thoughts.ToString() : null });
            if (!ended)
            {
                _console.MarkupLine("[grey](ended by Ctrl-C)[/]");
            }
            else if (_isInteractive && last?.FinishReason is { } reason and not FinishReason.Stop)
            {
                _console.MarkupLineInterpolated($"[grey](ended by: {reason})[/]");
            }

            async Task WriteAsync(CancellationToken cancelled)
            {
                await foreach (var update in model.ChatAsync(turn, cancelled))
                {
                    if (update.Reasoning.Length > 0)
                    {
                        thoughts.Append(update.Reasoning);
                        TellThoughts(update.Reasoning);
                    }

                    // Behind thoughts the answer begins on a line of its own.
                    if (update.Text.Length > 0 && reply.Length == 0 && thoughts.Length > 0 && _isInteractive)
                    {
                        await environment.Output.WriteAsync("\n\n");
                    }

                    reply.Append(update.Text);
                    await environment.Output.WriteAsync(update.Text);
                    last = update;
                    foreach (var warning in update.Warnings)
                    {
                        await environment.Error.WriteLineAsync($"hearth: warning: {warning}");
                    }
                }
            }
        }
    }
}
