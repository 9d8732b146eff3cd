using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Ollama's routes about models: which there are, which are loaded, what one is.</summary>
internal static class OllamaModels
{
    public static void MapOllamaModels(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/api/tags", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog)
            => OllamaEndpoints.WriteAsync(context, new JsonObject { ["models"] = new JsonArray([.. catalog.EntriesFor(context).Select(entry => Describe(entry)), .. catalog.PresetsFor(context).Select(preset => Describe(catalog, preset)).OfType<JsonObject>()]) }));
        routes.MapMethods("/api/ps", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog)
            => OllamaEndpoints.WriteAsync(context, new JsonObject { ["models"] = new JsonArray([.. catalog.EntriesFor(context).Where(entry => entry.Model is not null).Select(DescribeLoaded)]) }));
        routes.MapPost("/api/show", ShowAsync);
        routes.MapOllamaStore();
        foreach (var (path, why) in new[]
        {
            ("/api/push", "models are not pushed anywhere from here"),
            ("/api/blobs/{digest}", "models are not uploaded; put the file into a model folder, or pull it"),
        })
        {
            routes.MapPost(path, _ => throw new ApiException(StatusCodes.Status501NotImplemented, why));
        }
    }

    /// <summary>The model of a name.</summary>
    /// <exception cref="ApiException">There is none.</exception>
    public static CatalogEntry Find(HttpContext context, string? name)
    {
        var catalog = context.RequestServices.GetRequiredService<ModelCatalog>();
        var preset = string.IsNullOrEmpty(name) ? throw ApiException.BadRequest("model is required", "model") : catalog.FindPreset(name);
        return catalog.Find(preset?.Model ?? name) is { } entry && ModelAccess.Opens(catalog, context, entry, preset) ? entry : throw ModelLookup.NotFound(context, catalog, name);
    }

    /// <summary>Does what a request says of how long its model shall stay; one that the configuration keeps stays all the same, as does one that others use for all that a key without <see cref="KeyVerbs.Manage"/> says.</summary>
    public static void KeepAlive(HttpContext context, CatalogEntry entry, JsonElement? value)
    {
        if (OllamaMapping.ToKeepAlive(value) is { } time && entry.Configuration.OnDemand && KeyAuthentication.Of(context)?.Verbs.HasFlag(KeyVerbs.Manage) != false)
        {
            context.RequestServices.GetRequiredService<ModelCatalog>().SetKeepAlive(entry, time);
        }
    }

    private static async Task ShowAsync(HttpContext context)
    {
        CatalogEntry entry;
        using (var read = await RequestReader.ReadAsync(context, OllamaJson.Default.OllamaModelRequest))
        {
            entry = Find(context, read.Body.Model ?? read.Body.Name);
        }

        var facts = ModelFacts.Of(entry);
        var information = new JsonObject();
        foreach (var (key, value) in facts.Metadata)
        {
            information[key] = value?.DeepClone();
        }

        if (facts.ParameterCount is { } parameters)
        {
            information["general.parameter_count"] = parameters;
        }

        await OllamaEndpoints.WriteAsync(context, new JsonObject
        {
            ["modelfile"] = $"FROM {entry.Id}",
            ["parameters"] = "",
            ["template"] = facts.Template ?? "",
            ["details"] = Details(facts),
            ["model_info"] = information,
            ["capabilities"] = new JsonArray([.. facts.Capabilities.Select(capability => (JsonNode)capability)]),
            ["modified_at"] = Time(facts.Modified),
        });
    }

    private static JsonObject Describe(CatalogEntry entry)
    {
        var facts = ModelFacts.Of(entry);
        return new JsonObject
        {
            ["name"] = entry.Id,
            ["model"] = entry.Id,
            ["modified_at"] = Time(facts.Modified),
            ["size"] = facts.FileBytes,
            ["digest"] = facts.Digest,
            ["details"] = Details(facts),
        };
    }

    private static JsonObject? Describe(ModelCatalog catalog, PresetConfiguration preset)
    {
        if (catalog.Find(preset.Model) is not { } entry)
        {
            return null;
        }

        var description = Describe(entry);
        (description["name"], description["model"]) = (preset.Id, preset.Id);
        description["details"]!["parent_model"] = entry.Id;
        return description;
    }

    private static JsonObject DescribeLoaded(CatalogEntry entry)
    {
        var description = Describe(entry);
        description.Remove("modified_at");
        description["size"] = entry.Bytes > 0 ? entry.Bytes : entry.Model?.Information.FileBytes ?? 0;
        description["size_vram"] = 0;
        description["context_length"] = entry.Model?.Information.ContextLength ?? 0;

        // One that stays for good has a time so far off that no client takes it for soon.
        description["expires_at"] = Time(entry.IsPinned ? DateTimeOffset.UtcNow.AddYears(100) : DateTimeOffset.UtcNow + entry.KeepAlive - (entry.Users > 0 ? TimeSpan.Zero : TimeProvider.System.GetElapsedTime(entry.LeftAt)));
        return description;
    }

    private static JsonObject Details(ModelFacts facts) => new()
    {
        ["parent_model"] = "",
        ["format"] = "gguf",
        ["family"] = facts.Architecture,
        ["families"] = new JsonArray(facts.Architecture),
        ["parameter_size"] = facts.ParameterCount is { } count ? Short(count) : "",
        ["quantization_level"] = facts.Quantization ?? "",
    };

    private static string Short(long count) => count switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e9:0.0}B"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:0.0}M"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{count / 1e3:0.0}K"),
    };

    private static string Time(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);
}
