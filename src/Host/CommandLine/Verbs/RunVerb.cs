using System.CommandLine;
using Hearth.Host.CommandLine.Chats;
using Hearth.Host.Service;

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
        var others = command.Options.Count;
        sampling.AddTo(command);
        Option[] settings = [.. command.Options.Skip(others)];
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var chosen = new ChatSettings(sampling, settings, parsed);
            var loaded = await environment.LoadModelAsync(model.Read(parsed), cancellationToken);
            try
            {
                if (!loaded.Information.HasChatTemplate)
                {
                    throw new HearthException(loaded.Information.ChatTemplateFault ?? $"the model '{loaded.Information.Id}' has no chat template; use hearth generate");
                }

                await new TerminalChat(environment, loaded, chosen, parsed.GetValue(system)).RunAsync(cancellationToken);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }
}
