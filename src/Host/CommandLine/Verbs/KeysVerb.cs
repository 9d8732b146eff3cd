using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth keys add, list, revoke</c>: who may ask the service, for what, and how much of it.</summary>
internal static class KeysVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var config = new Option<string?>("--config") { Description = "The service's configuration (default: hearth.json here or beside the executable); the keys are beside it unless it says KeyFile.", HelpName = "FILE", Recursive = true };
        var file = new Option<string?>("--file") { Description = "The file of the keys.", HelpName = "FILE", Recursive = true };
        var command = new Command("keys", "Make, list and revoke keys of the service.") { CreateAdd(environment, config, file), CreateList(environment, config, file), CreateRevoke(environment, config, file) };
        command.Options.Add(config);
        command.Options.Add(file);
        return command;
    }

    private static Command CreateAdd(CommandEnvironment environment, Option<string?> config, Option<string?> file)
    {
        var name = Name("Who it is for: letters, digits, '.', '_', '-' and '@'.");
        var models = new Option<string[]>("--model") { Description = "A model or preset that it opens; may be given several times (default: all).", HelpName = "ID" };
        var verbs = new Option<string[]>("--allow") { Description = $"What it allows, of {KeyNames.AllVerbs}; may be given several times (default: {string.Join(", ", KeyNames.Of(ApiKey.UsualVerbs))}).", HelpName = "VERB" };
        var requests = new Option<int?>("--requests-per-minute") { Description = "Requests that begin within a minute.", HelpName = "N" };
        var open = new Option<int?>("--open-requests") { Description = "Requests that are answered at a time.", HelpName = "N" };
        var minute = new Option<long?>("--tokens-per-minute") { Description = "Tokens of prompts and answers within a minute.", HelpName = "N" };
        var day = new Option<long?>("--tokens-per-day") { Description = "Tokens of prompts and answers within a day.", HelpName = "N" };
        var expires = new Option<double?>("--expires") { Description = "Days after which it opens nothing.", HelpName = "DAYS" };
        requests.AtLeast(1);
        open.AtLeast(1);
        var command = new Command("add", "Make a key; it is shown once.") { name, models, verbs, requests, open, minute, day, expires };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var owner = parsed.GetRequiredValue(name);
            if (ApiKey.FaultOfName(owner) is { } fault)
            {
                throw new UsageException($"the name '{owner}' {fault}");
            }

            var days = parsed.GetValue(expires);
            if (days is { } some && !(some is > 0 and <= 36500))
            {
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--expires wants 0 to 36500 days, found {some}"));
            }

            if (new[] { (minute.Name, parsed.GetValue(minute)), (day.Name, parsed.GetValue(day)) }.FirstOrDefault(limit => limit.Item2 < 1) is { Item1: { } option })
            {
                throw new UsageException($"{option} wants at least 1");
            }

            var now = DateTimeOffset.UtcNow;
            var secret = ApiKey.Make();
            var key = new ApiKey
            {
                Id = Guid.NewGuid().ToString("N"),
                Name = owner,
                Digest = ApiKey.DigestOf(secret),
                Created = now,
                Expires = days is { } count ? now.AddDays(count) : null,
                Models = parsed.GetValue(models) ?? [],
                Verbs = parsed.GetValue(verbs) is { Length: > 0 } allowed ? allowed.SelectMany(text => text.Split(',')).Aggregate(KeyVerbs.None, (all, verb) => all | ToVerb(verb)) : ApiKey.UsualVerbs,
                Limits = new KeyLimits
                {
                    RequestsPerMinute = parsed.GetValue(requests),
                    OpenRequests = parsed.GetValue(open),
                    TokensPerMinute = parsed.GetValue(minute),
                    TokensPerDay = parsed.GetValue(day),
                },
            };
            var path = Find(parsed, config, file);
            path.Change(keys => keys.Any(other => other.Name == owner && other.Revoked is null)
                ? throw new HearthException($"there is a key '{owner}' already; 'hearth keys revoke {owner}' takes it away")
                : [.. keys.Where(other => other.Name != owner), key]);
            await environment.Error.WriteLineAsync($"hearth: a key for {owner} in {path.Path}; it is shown this once");
            await environment.Output.WriteLineAsync(secret.AsMemory(), cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command CreateList(CommandEnvironment environment, Option<string?> config, Option<string?> file)
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var command = new Command("list", "List the keys, by whom they are for.") { json };
        command.SetAction(parsed =>
        {
            foreach (var key in Find(parsed, config, file).Read())
            {
                environment.Output.WriteLine(parsed.GetValue(json) ? ToJson(key).ToJsonString() : Describe(key));
            }

            return 0;
        });
        return command;
    }

    private static Command CreateRevoke(CommandEnvironment environment, Option<string?> config, Option<string?> file)
    {
        var name = Name("Whose key opens nothing from now on.");
        var command = new Command("revoke", "Take a key away; a running service knows within a second.") { name };
        command.SetAction(async (parsed, _) =>
        {
            var owner = parsed.GetRequiredValue(name);
            var path = Find(parsed, config, file);
            path.Change(keys => keys.Any(key => key.Name == owner && key.Revoked is null)
                ? [.. keys.Select(key => key.Name == owner ? key with { Revoked = DateTimeOffset.UtcNow } : key)]
                : throw new HearthException($"{path.Path} has no key '{owner}' to revoke"));
            await environment.Error.WriteLineAsync($"hearth: the key of {owner} opens nothing any more");
            return 0;
        });
        return command;
    }

    private static Argument<string> Name(string description) => new("NAME") { Description = description };

    private static KeyVerbs ToVerb(string text)
        => KeyNames.ToVerb(text.Trim()) ?? throw new UsageException($"--allow wants one of {KeyNames.AllVerbs}, found '{text.Trim()}'");

    private static KeyFile Find(ParseResult parsed, Option<string?> config, Option<string?> file)
        => new(parsed.GetValue(file) is { Length: > 0 } named ? Path.GetFullPath(named) : ServiceConfiguration.FindKeyFile(ConfigurationSources.FindFile(parsed.GetValue(config)))
            ?? throw new HearthException("there is no configuration file and no folder of yours to keep keys in; --file names a file"));

    private static string Describe(ApiKey key)
    {
        var limits = new (string Name, long? Value)[]
        {
            ("requests a minute", key.Limits.RequestsPerMinute), ("open", key.Limits.OpenRequests), ("tokens a minute", key.Limits.TokensPerMinute), ("tokens a day", key.Limits.TokensPerDay),
        }.Where(limit => limit.Value is not null).Select(limit => string.Create(CultureInfo.InvariantCulture, $"{limit.Value} {limit.Name}"));
        var state = key.Revoked is { } revoked ? $"revoked {Date(revoked)}" : key.Expires is { } end ? $"{(key.Opens(DateTimeOffset.UtcNow) ? "until" : "expired")} {Date(end)}" : "";
        return $"{key.Name,-24} {Date(key.Created)}  {string.Join(",", KeyNames.Of(key.Verbs)),-24} {(key.Models.Count > 0 ? string.Join(",", key.Models) : "all models")}  {string.Join("  ", limits.Append(state).Where(text => text.Length > 0))}".TrimEnd();
    }

    private static string Date(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static JsonObject ToJson(ApiKey key) => new()
    {
        ["name"] = key.Name,
        ["created"] = key.Created.ToString("O", CultureInfo.InvariantCulture),
        ["expires"] = key.Expires?.ToString("O", CultureInfo.InvariantCulture),
        ["revoked"] = key.Revoked?.ToString("O", CultureInfo.InvariantCulture),
        ["models"] = new JsonArray([.. key.Models.Select(model => (JsonNode)model)]),
        ["verbs"] = new JsonArray([.. KeyNames.Of(key.Verbs).Select(verb => (JsonNode)verb)]),
        ["requests_per_minute"] = key.Limits.RequestsPerMinute,
        ["open_requests"] = key.Limits.OpenRequests,
        ["tokens_per_minute"] = key.Limits.TokensPerMinute,
        ["tokens_per_day"] = key.Limits.TokensPerDay,
    };
}
