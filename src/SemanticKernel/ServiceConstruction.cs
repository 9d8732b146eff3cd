using Hearth.Runtime;
using Hearth.SemanticKernel.Backends;
using Microsoft.SemanticKernel.Services;

namespace Hearth.SemanticKernel;

/// <summary>What the constructors of the services have in common.</summary>
internal static class ServiceConstruction
{
    public static IHearthBackend Backend(ILanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LocalBackend(_ => Task.FromResult(model), model.Information.Id);
    }

    public static IHearthBackend Backend(HttpClient httpClient, Uri endpoint, string? modelId)
    {
        ArgumentNullException.ThrowIfNull(httpClient);
        ArgumentNullException.ThrowIfNull(endpoint);
        _ = new HearthServiceOptions { Endpoint = endpoint }.Checked();
        return new HttpBackend(httpClient, endpoint, modelId);
    }

    public static IEmbeddingBackend Backend(IEmbeddingModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LocalEmbeddingBackend(model);
    }

    public static IEmbeddingBackend EmbeddingBackend(HttpClient httpClient, Uri endpoint, string? modelId)
    {
        ArgumentNullException.ThrowIfNull(httpClient);
        ArgumentNullException.ThrowIfNull(endpoint);
        _ = new HearthServiceOptions { Endpoint = endpoint }.Checked();
        return new HttpEmbeddingBackend(httpClient, endpoint, modelId);
    }

    public static IReadOnlyDictionary<string, object?> Attributes(IHearthBackend backend)
    {
        var attributes = new Dictionary<string, object?>();
        if (backend.ModelId is { } modelId)
        {
            attributes[AIServiceExtensions.ModelIdKey] = modelId;
        }

        if (backend.Endpoint is { } endpoint)
        {
            attributes[AIServiceExtensions.EndpointKey] = endpoint.AbsoluteUri;
        }

        return attributes;
    }
}
