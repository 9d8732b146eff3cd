using System.CommandLine;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth pull NAME</c>: fetches a model into the model folder, going on from what came before.</summary>
internal static class PullVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var name = new Argument<string>("NAME") { Description = "OWNER/REPOSITORY:FILE of Hugging Face (FILE whole, or a part such as Q4_K_M); with --from the name it gets." };
        var from = new Option<string?>("--from") { Description = "The file's address.", HelpName = "URL" };
        var sha256 = new Option<string?>("--sha256") { Description = "What the file's SHA-256 must be.", HelpName = "HEX" };
        var folder = new Option<string?>("--folder") { Description = "Where it goes (default: the first of HEARTH_MODELS, else .hearth/models in your folder).", HelpName = "FOLDER" };
        var insecure = new Option<bool>("--insecure") { Description = "Ask http addresses, this machine and private networks too." };
        var command = new Command("pull", "Fetch a model.") { name, from, sha256, folder, insecure };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var address = parsed.GetValue(from) is not { } text ? null
                : Uri.TryCreate(text, UriKind.Absolute, out var uri) ? uri : throw new UsageException($"--from wants an address, found '{text}'");
            var digest = parsed.GetValue(sha256);
            if (digest is not null && (digest.Length != 64 || !digest.All(char.IsAsciiHexDigit)))
            {
                throw new UsageException($"--sha256 wants 64 hex digits, found '{digest}'");
            }

            var (found, request) = await ModelStore.FindAsync(parsed.GetRequiredValue(name), address, parsed.GetValue(folder) ?? ModelStore.Folder, parsed.GetValue(insecure), cancellationToken);
            request = request with { Sha256 = digest ?? request.Sha256 };
            var shown = -1L;
            var progress = new Progress(value =>
            {
                var step = value.Total is { } all and > 0 ? 100 * value.Done / all : value.Done >> 20;
                if (!environment.ErrorIsPiped && Interlocked.Exchange(ref shown, step) != step)
                {
                    environment.Error.Write(value.Total is null ? $"\rpulling {found}: {step} MiB" : $"\rpulling {found}: {step,3} %");
                }
            });
            var sum = await ModelDownload.FetchAsync(request, progress, cancellationToken);
            if (!environment.ErrorIsPiped)
            {
                await environment.Error.WriteAsync("\r\u001b[K");
            }

            await environment.Output.WriteLineAsync($"{request.Target}  sha256:{sum}{(request.Sha256 is null ? " (nobody said what it should be)" : "")}");
            return 0;
        });
        return command;
    }

    private sealed class Progress(Action<(long Done, long? Total)> report) : IProgress<(long Done, long? Total)>
    {
        public void Report((long Done, long? Total) value) => report(value);
    }
}
