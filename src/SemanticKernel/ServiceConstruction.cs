using Hearth.Extensions.AI.Backends;
using Microsoft.SemanticKernel.Services;

namespace Hearth.SemanticKernel;

/// <summary>What the constructors of the services have in common.</summary>
internal static class ServiceConstruction
{
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
