using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Caching.Durable;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth cache list|verify|pin|unpin|drop</c>: what a cache folder holds. Services may use it meanwhile.</summary>
internal static class CacheVerbs
{
    public static Command Create(CommandEnvironment environment) => new("cache", "Look after a folder in which prefixes outlive the process.")
    {
        CreateList(environment), CreateVerify(environment), CreatePin(environment), CreateUnpin(environment), CreateDrop(environment),
    };

    private static Argument<string> Folder() => new("FOLDER") { Description = "The CacheFolder of a service's models." };

    private static Argument<string?> Name() => new("NAME") { Description = "A model's name, or the beginning of its folder's; none: all.", Arity = ArgumentArity.ZeroOrOne };

    private static Command CreateList(CommandEnvironment environment)
    {
        var folder = Folder();
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var command = new Command("list", "List the models of the folder, with pages, bytes and what is pinned.") { folder, json };
        command.SetAction(parsed =>
        {
            foreach (var model in Open(parsed.GetRequiredValue(folder)).List())
            {
                environment.Output.WriteLine(parsed.GetValue(json) ? Json(model).ToJsonString() : Line(model));
            }

            return 0;
        });
        return command;
    }

    private static Command CreateVerify(CommandEnvironment environment)
    {
        var (folder, name) = (Folder(), Name());
        var command = new Command("verify", "Read every page; fails where one is damaged. Such pages are never used, but computed.") { folder, name };
        command.SetAction(parsed =>
        {
            var (cache, broken) = (Open(parsed.GetRequiredValue(folder)), 0);
            foreach (var model in Find(cache, parsed.GetValue(name)))
            {
                var (sound, damaged) = cache.Verify(model);
                broken += damaged;
                environment.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model.Name}  {sound} pages are sound, {damaged} damaged"));
            }

            return broken == 0 ? 0 : HearthCommand.Failed;
        });
        return command;
    }

    private static Command CreatePin(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var folder = new Option<string>("--folder") { Description = "The CacheFolder of the service's models.", HelpName = "FOLDER", Required = true };
        var system = new Option<string?>("--system") { Description = "The system prompt (default: what is piped in).", HelpName = "TEXT" };
        var scope = new Option<string?>("--scope") { Description = "Whose prompts begin so (default: everybody's).", HelpName = "NAME" };
        var command = new Command("pin", "Compute a system prompt, write it to the folder and keep it there, as long as pins take no more than half of it.") { folder, system, scope };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var text = parsed.GetValue(system) ?? (environment.InputIsPiped
                ? System.Text.Encoding.UTF8.GetString(await environment.ReadAllAsync(null, cancellationToken)) : throw new UsageException("cache pin needs --system, or a text piped in"));
            var loaded = await environment.LoadModelAsync(model.Read(parsed) with { CacheFolder = Path.GetFullPath(parsed.GetRequiredValue(folder)) }, cancellationToken);
            try
            {
                if (loaded is not LanguageModel own)
                {
                    throw new HearthException("models of other engines keep nothing in a cache folder");
                }

                var kept = await own.PinOnDiskAsync(new ChatPrompt { Messages = [new ChatMessage("system", text)] }, parsed.GetValue(scope), cancellationToken);
                await environment.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{kept} tokens are pinned"));
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static Command CreateUnpin(CommandEnvironment environment)
    {
        var (folder, name) = (Folder(), Name());
        var command = new Command("unpin", "Let pinned pages go when their room is needed.") { folder, name };
        command.SetAction(parsed =>
        {
            var cache = Open(parsed.GetRequiredValue(folder));
            foreach (var model in Find(cache, parsed.GetValue(name)))
            {
                cache.Unpin(model);
                environment.Output.WriteLine($"{model.Name}  {model.PinnedPages} pages are no longer pinned");
            }

            return 0;
        });
        return command;
    }

    private static Command CreateDrop(CommandEnvironment environment)
    {
        var (folder, name) = (Folder(), Name());
        var all = new Option<bool>("--all") { Description = "Those of every model." };
        var command = new Command("drop", "Delete a model's pages, pinned ones too.") { folder, name, all };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(name) is null != parsed.GetValue(all))
            {
                throw new UsageException("cache drop needs a NAME, or --all");
            }

            var cache = Open(parsed.GetRequiredValue(folder));
            foreach (var model in Find(cache, parsed.GetValue(name)))
            {
                cache.Drop(model);
                environment.Output.WriteLine($"{model.Name}  {model.Pages} pages, {Size(model.Bytes)}, are gone");
            }

            return 0;
        });
        return command;
    }

    private static CacheFolder Open(string folder) => Directory.Exists(folder) ? new CacheFolder(folder) : throw new HearthException($"there is no folder '{folder}'");

    private static IReadOnlyList<CachedModel> Find(CacheFolder cache, string? name)
        => name is null ? cache.List() : cache.Find(name) is { Count: > 0 } found ? found : throw new HearthException($"the folder holds nothing of '{name}'; hearth cache list tells what it holds");

    private static string Line(CachedModel model)
        => string.Create(CultureInfo.InvariantCulture, $"{model.Name}  {GgufDescription.Printable(model.Model ?? "?"),-30} {model.Pages,8} pages of {model.PageTokens} tokens  {Size(model.Bytes),12}  {model.PinnedPages,6} pinned  {model.LastWritten:yyyy-MM-dd HH:mm}");

    private static JsonObject Json(CachedModel model) => new()
    {
        ["name"] = model.Name,
        ["model"] = model.Model,
        ["pages"] = model.Pages,
        ["page_tokens"] = model.PageTokens,
        ["page_bytes"] = model.PageBytes,
        ["bytes"] = model.Bytes,
        ["pinned_pages"] = model.PinnedPages,
        ["last_written"] = model.LastWritten,
    };

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB");
}
