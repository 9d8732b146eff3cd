using System.CommandLine;
using Hearth.Host.Http;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth serve</c>: the background service.</summary>
internal static class ServeVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var config = new Option<string?>("--config") { Description = "A JSON file (default: hearth.json here or beside the executable).", HelpName = "FILE" };
        var urls = new Option<string?>("--urls") { Description = $"Addresses to listen on, separated by ';' (default: {ServiceConfiguration.DefaultUrls}).", HelpName = "URLS" };
        var model = new Option<string[]>("--model") { Description = "A GGUF file or the name of one in a model folder; may be given several times (default: the demo model).", HelpName = "MODEL" };
        var sequences = new Option<int?>("--sequences") { Description = "Requests that run at a time (default: 16).", HelpName = "N" };
        var noKeys = new Option<bool>("--no-keys") { Description = "Let everybody ask who reaches the service, on addresses that other machines reach too." };
        var engine = new EngineArguments();
        sequences.AtLeast(1);

        var command = new Command("serve", "Run the background service with its HTTP API.") { config, urls, model, sequences, noKeys };
        engine.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var template = engine.Read(parsed) with { MaxSequences = parsed.GetValue(sequences) };
            var names = parsed.GetValue(model) ?? [];
            if (names.Length == 0 && template != new ModelConfiguration())
            {
                throw new UsageException("--context, --threads, --pin-threads, --kv-type, --engine, --gpu-layers and --sequences describe the models that --model names; those of a configuration file have keys for them");
            }

            var arguments = new ServeArguments
            {
                File = ConfigurationSources.FindFile(parsed.GetValue(config)),
                Urls = parsed.GetValue(urls),
                NoKeys = parsed.GetValue(noKeys),
                Models = [.. names.Select(name => template with { Path = ModelLocator.Find(name) })],
            };
            await RunAsync(HearthServer.Build(arguments, environment.Load), arguments, environment, cancellationToken);
            return 0;
        });
        return command;
    }

    private static async Task RunAsync(WebApplication app, ServeArguments arguments, CommandEnvironment environment, CancellationToken cancellationToken)
    {
        await using (app)
        {
            try
            {
                await app.StartAsync(cancellationToken);
            }
            catch (Exception exception) when (exception is not (OperationCanceledException or HearthException))
            {
                throw ListenAddress.Explain(exception, HearthServer.Addresses(app, arguments));
            }

            // A service has no terminal that could hang up.
            environment.Interruption.HangUpIsTaken = !OperatingSystem.IsWindows() && environment.InputIsPiped;
            using var signals = new StopSignals(app, environment.Interruption.HangUpIsTaken);
            await app.WaitForShutdownAsync(cancellationToken);
            if (app.Services.GetRequiredService<ModelCatalog>().Failure is { } failure)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }
        }
    }
}
