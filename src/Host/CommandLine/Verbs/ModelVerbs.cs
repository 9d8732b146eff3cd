using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth list, ps, show, cp, rm</c>: the models of this machine, and those that a running service has loaded.</summary>
internal static class ModelVerbs
{
    public static IEnumerable<Command> Create(CommandEnvironment environment)
        => [CreateList(environment), CreatePs(environment), CreateShow(environment), CreateCopy(environment), CreateRemove(environment)];

    private static Option<string[]> Folders() => new("--folder") { Description = "Where models are (default: HEARTH_MODELS, else .hearth/models in your folder, and \"models\" here); Hugging Face's and Ollama's folders do too.", HelpName = "FOLDER" };

    private static Command CreateList(CommandEnvironment environment)
    {
        var folders = Folders();
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var command = new Command("list", "List the models of this machine.") { folders, json };
        command.SetAction(parsed =>
        {
            foreach (var model in Find(parsed.GetValue(folders)))
            {
                var facts = ModelFacts.Of(new CatalogEntry(model, isStarting: false));
                environment.Output.WriteLine(parsed.GetValue(json)
                    ? new JsonObject { ["name"] = model.EffectiveId, ["path"] = model.Path, ["bytes"] = facts.FileBytes, ["architecture"] = facts.Architecture, ["parameters"] = facts.ParameterCount, ["quantization"] = facts.Quantization }.ToJsonString()
                    : string.Create(CultureInfo.InvariantCulture, $"{GgufDescription.Printable(model.EffectiveId),-50} {facts.FileBytes / 1048576.0,10:0.0} MiB  {GgufDescription.Printable(facts.Architecture),-12} {facts.Quantization,-8} {model.Path}"));
            }

            return 0;
        });
        return command;
    }

    private static Command CreatePs(CommandEnvironment environment)
    {
        var url = new Option<string>("--url") { Description = $"The service (default: {ServiceConfiguration.DefaultUrls}).", HelpName = "URL", DefaultValueFactory = _ => ServiceConfiguration.DefaultUrls };
        var key = new Option<string?>("--key") { Description = "A key of the service, where it has any.", HelpName = "KEY" };
        var command = new Command("ps", "List the models that a running service has loaded.") { url, key };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!Uri.TryCreate(parsed.GetRequiredValue(url).TrimEnd('/') + "/api/ps", UriKind.Absolute, out var address))
            {
                throw new UsageException($"--url wants an address, found '{parsed.GetValue(url)}'");
            }

            using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
            if (parsed.GetValue(key) is { } secret)
            {
                client.DefaultRequestHeaders.Authorization = new("Bearer", secret);
            }

            try
            {
                var answer = JsonNode.Parse(await client.GetStringAsync(address, cancellationToken));
                foreach (var model in answer?["models"]?.AsArray() ?? [])
                {
                    await environment.Output.WriteLineAsync(string.Create(
                        CultureInfo.InvariantCulture, $"{model!["name"]!.GetValue<string>(),-50} {model["size"]!.GetValue<long>() / 1048576.0,10:0.0} MiB  context {model["context_length"]}  until {model["expires_at"]}"));
                }
            }
            catch (Exception exception) when (exception is HttpRequestException or System.Text.Json.JsonException or InvalidOperationException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new HearthException($"the service at {address.GetLeftPart(UriPartial.Authority)} does not tell: {exception.Message}", exception);
            }

            return 0;
        });
        return command;
    }

    private static Command CreateShow(CommandEnvironment environment)
    {
        var (name, folders) = (Name(), Folders());
        var command = new Command("show", "Show what a model is.") { name, folders };
        command.SetAction(parsed =>
        {
            using var file = GgufFile.Open(Find(parsed.GetRequiredValue(name), parsed.GetValue(folders)));
            GgufDescription.WriteText(file, environment.Output, warnings: Runtime.Loading.ModelTexts.Inspect(file.Metadata));
            return 0;
        });
        return command;
    }

    private static Command CreateCopy(CommandEnvironment environment)
    {
        var (name, folders) = (Name(), Folders());
        var target = new Argument<string>("TARGET") { Description = "The copy's name." };
        var command = new Command("cp", "Copy a model under another name.") { name, target, folders };
        command.SetAction(parsed =>
        {
            var source = Find(parsed.GetRequiredValue(name), parsed.GetValue(folders));
            using (var file = GgufFile.Open(source))
            {
                if (file.Files.Count > 1)
                {
                    throw new HearthException($"{source} has {file.Files.Count} parts, which know each other by their names; merge it first (hearth quantize)");
                }
            }

            var folder = parsed.GetValue(folders) is [var first, ..] ? first : ModelStore.Folder;
            var path = ModelStore.PathOf(folder, parsed.GetRequiredValue(target));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(source, path, overwrite: false);
            environment.Output.WriteLine(path);
            return 0;
        });
        return command;
    }

    private static Command CreateRemove(CommandEnvironment environment)
    {
        var (name, folders) = (Name(), Folders());
        var command = new Command("rm", "Delete a model of the model folder.") { name, folders };
        command.SetAction(parsed =>
        {
            var given = parsed.GetValue(folders);
            var path = Path.GetFullPath(Find(parsed.GetRequiredValue(name), given is { Length: > 0 } ? given : [ModelStore.Folder]));
            if (path.Contains($"{Path.DirectorySeparatorChar}blobs{Path.DirectorySeparatorChar}", StringComparison.Ordinal) || path.Contains($"{Path.DirectorySeparatorChar}snapshots{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            {
                throw new HearthException($"{path} is another program's: delete it there");
            }

            IReadOnlyList<string> files;
            using (var file = GgufFile.Open(path))
            {
                files = file.Files;
            }

            foreach (var part in files)
            {
                File.Delete(part);
                environment.Output.WriteLine(part);
            }

            return 0;
        });
        return command;
    }

    private static Argument<string> Name() => new("MODEL") { Description = "A model's name, as list shows it, or a file." };

    private static IEnumerable<ModelConfiguration> Find(string[]? folders)
        => (folders is { Length: > 0 } ? folders : ModelFolders()).SelectMany(ModelSources.Find).DistinctBy(model => model.Path);

    private static string Find(string name, string[]? folders)
        => File.Exists(name) ? name
            : Find(folders).FirstOrDefault(model => model.EffectiveId.Equals(name, StringComparison.OrdinalIgnoreCase) || model.EffectiveId.Replace(':', '-').Equals(name.Replace(':', '-'), StringComparison.OrdinalIgnoreCase))?.Path
            ?? throw new HearthException($"there is no model '{name}' in {string.Join(", ", folders is { Length: > 0 } ? folders : ModelFolders())}");

    private static string[] ModelFolders()
        => [.. (Environment.GetEnvironmentVariable("HEARTH_MODELS") ?? ModelStore.Folder).Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), Path.Combine(Environment.CurrentDirectory, "models")];
}
