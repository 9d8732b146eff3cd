using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Hearth.Host.Service;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>Ollama's routes that change which models there are: pull, create, copy, delete.</summary>
/// <remarks>Files go into the first of the service's model folders and come from there only. What create and copy make are presets, which last as long as the service.</remarks>
internal static class OllamaStore
{
    private static readonly Dictionary<string, Func<JsonElement, bool>> Refused = new(StringComparer.Ordinal)
    {
        ["files"] = Never,
        ["adapters"] = Never,
        ["messages"] = IsEmpty,
        ["quantize"] = value => value.ValueEqualsAny(""),
        ["modelfile"] = value => value.ValueEqualsAny(""),
        ["path"] = value => value.ValueEqualsAny(""),
    };

    public static void MapOllamaStore(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/pull", PullAsync);
        routes.MapPost("/api/create", CreateAsync);
        routes.MapPost("/api/copy", CopyAsync);
        routes.MapDelete("/api/delete", DeleteAsync);
    }

    private static async Task PullAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        var name = NameOf(body);
        var configuration = context.RequestServices.GetRequiredService<ServiceConfiguration>();
        var folder = FolderOf(configuration);
        using var lifetime = new AnswerLifetime(context);
        var told = Channel.CreateBounded<JsonObject>(new BoundedChannelOptions(16) { FullMode = BoundedChannelFullMode.DropOldest });
        await AnswerAsync(context, lifetime, body.Stream != false, cancelled => PullAsync(context, name, folder, configuration.AllowPrivatePulls, told, cancelled));
    }

    private static async IAsyncEnumerable<JsonObject> PullAsync(
        HttpContext context, string name, string folder, bool allowsPrivate, Channel<JsonObject> told, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return Status("pulling manifest");
        var (found, request) = await Known(() => ModelStore.FindAsync(name, from: null, folder, allowsPrivate, cancellationToken));
        var title = $"pulling {request.Sha256?[..Math.Min(12, request.Sha256.Length)] ?? found}";
        var shown = 0L;
        var fetch = Known(async () =>
        {
            try
            {
                return await ModelDownload.FetchAsync(request, new DirectReport(value =>
                {
                    // A line a mebibyte is enough for any bar.
                    if (value.Done - shown >= 1 << 20 || value.Done == value.Total)
                    {
                        shown = value.Done;
                        told.Writer.TryWrite(new JsonObject { ["status"] = title, ["digest"] = $"sha256:{request.Sha256}", ["total"] = value.Total, ["completed"] = value.Done });
                    }
                }), cancellationToken);
            }
            finally
            {
                told.Writer.TryComplete();
            }
        });
        await foreach (var line in told.Reader.ReadAllAsync(cancellationToken))
        {
            yield return line;
        }

        await fetch;
        yield return Status("verifying sha256 digest");
        context.RequestServices.GetRequiredService<ModelCatalog>().Add(new ModelConfiguration { Id = found, Path = request.Target, OnDemand = true });
        yield return Status("success");
    }

    private static async Task CreateAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        Refuse(body.Others, Refused);
        var name = NameOf(body);
        if (!string.IsNullOrEmpty(body.Template))
        {
            throw ApiException.BadRequest("'template' is not supported: a model's template is its own, or named in the service's configuration", "template", "unsupported_parameter");
        }

        Refuse(body.Parameters?.Others, OllamaMapping.RefusedOptions, "parameters.");
        AddPreset(context, name, body.From, body.System, ToSampling(body.Parameters));
        using var lifetime = new AnswerLifetime(context);
        await AnswerAsync(context, lifetime, body.Stream != false, _ => One(Status("success")));
    }

    private static async Task CopyAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        AddPreset(context, string.IsNullOrEmpty(body.Destination) ? throw ApiException.BadRequest("destination is required", "destination") : body.Destination, body.Source, null, null);
    }

    private static async Task DeleteAsync(HttpContext context)
    {
        var name = NameOf(await ReadAsync(context));
        var catalog = context.RequestServices.GetRequiredService<ModelCatalog>();
        if (catalog.FindPreset(name) is { } preset)
        {
            catalog.Remove(preset);
            return;
        }

        var entry = OllamaModels.Find(context, name);
        var configuration = context.RequestServices.GetRequiredService<ServiceConfiguration>();
        if (!entry.Configuration.OnDemand || configuration.ModelFolders is not [var folder, ..] || Path.GetFullPath(ModelStore.PathOf(folder, entry.Id)) != Path.GetFullPath(entry.Configuration.Path))
        {
            throw new ApiException(StatusCodes.Status403Forbidden, $"the model '{entry.Id}' is not one of the first model folder's; it is not deleted from here");
        }

        catalog.Remove(entry);
        File.Delete(entry.Configuration.Path);
    }

    private static void AddPreset(HttpContext context, string name, string? from, string? system, SamplingConfiguration? sampling)
    {
        var catalog = context.RequestServices.GetRequiredService<ModelCatalog>();
        var source = string.IsNullOrEmpty(from) ? throw ApiException.BadRequest("the model to start from is required", "from") : from;
        var origin = catalog.FindPreset(source);
        var entry = OllamaModels.Find(context, origin?.Model ?? source);
        if (name.Length > 200 || name.Any(char.IsControl))
        {
            throw ApiException.BadRequest("a model's name has at most 200 characters", "model");
        }

        if (catalog.Find(name) is not null)
        {
            throw ApiException.BadRequest($"there is a model '{name}' already, which is no preset", "model");
        }

        if (catalog.Presets.Count >= 1000)
        {
            throw ApiException.BadRequest("there are 1000 presets already", "model");
        }

        catalog.Add((origin ?? new PresetConfiguration()) with { Id = name, Model = entry.Id, System = system ?? origin?.System, Sampling = sampling ?? origin?.Sampling });
    }

    private static SamplingConfiguration? ToSampling(OllamaOptions? options) => options is null ? null : new SamplingConfiguration
    {
        MaxTokens = options.NumPredict is < 0 ? null : options.NumPredict,
        Temperature = options.Temperature,
        TopK = options.TopK,
        TopP = options.TopP,
        MinP = options.MinP,
        RepetitionPenalty = options.RepeatPenalty,
        PenaltyWindow = options.RepeatLastN,
        PresencePenalty = options.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty,
        Seed = RequestMapping.ToSeed(options.Seed) is { } seed ? unchecked((long)seed) : null,
        Stop = options.Stop ?? [],
        OnFull = options.OnFull,
        KeptTokens = options.NumKeep,
    };

    private static async Task AnswerAsync(HttpContext context, AnswerLifetime lifetime, bool streams, Func<CancellationToken, IAsyncEnumerable<JsonObject>> lines)
    {
        lifetime.Begin();
        if (streams)
        {
            await EventStream.WriteAsync(context, lifetime, lines, new JsonLines());
            return;
        }

        var last = new JsonObject();
        await foreach (var line in lines(lifetime.Token))
        {
            last = line;
        }

        await OllamaEndpoints.WriteAsync(context, last);
    }

    private static async Task<OllamaModelRequest> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, OllamaJson.Default.OllamaModelRequest);
        return read.Body;
    }

    private static string NameOf(OllamaModelRequest body)
        => (body.Model ?? body.Name) is { Length: > 0 } name ? name : throw ApiException.BadRequest("model is required", "model");

    private static string FolderOf(ServiceConfiguration configuration)
        => configuration.ModelFolders is [var folder, ..] ? folder
            : throw new ApiException(StatusCodes.Status501NotImplemented, "the service has no folder to pull into; ModelFolders in its configuration names one");

    // What is wrong with a source is the caller's to know, not a fault of the service.
    private static async Task<T> Known<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (HearthException exception)
        {
            throw ApiException.BadRequest(exception.Message, "model");
        }
    }

    private static JsonObject Status(string status) => new() { ["status"] = status };

    private static async IAsyncEnumerable<JsonObject> One(JsonObject line)
    {
        await Task.CompletedTask;
        yield return line;
    }

    private sealed class DirectReport(Action<(long Done, long? Total)> report) : IProgress<(long Done, long? Total)>
    {
        public void Report((long Done, long? Total) value) => report(value);
    }
}
