using Hearth.Runtime;

namespace Hearth.SemanticKernel;

/// <summary>Where a Semantic Kernel service finds its model: a file loaded into this process, or a Hearth service.</summary>
/// <remarks>Exactly one of <see cref="ModelPath"/> and <see cref="Endpoint"/> is set. Immutable.</remarks>
public sealed record HearthServiceOptions
{
    /// <summary>A GGUF file, loaded into this process when it is first needed. Services registered with the same path share one model.</summary>
    public string? ModelPath { get; init; }

    /// <summary>With <see cref="ModelPath"/>: how the model is loaded; null: every default. Services that share a model must agree on it.</summary>
    public ModelOptions? Model { get; init; }

    /// <summary>The address of a Hearth service, such as <c>http://127.0.0.1:4327</c>, without the <c>/v1</c>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>With <see cref="Endpoint"/>: which of the service's models; null: its default. With <see cref="ModelPath"/>: the name to report; null: the model's own.</summary>
    public string? ModelId { get; init; }

    /// <summary>The key under which the kernel finds this service among several; null: none.</summary>
    public string? ServiceId { get; init; }

    /// <summary>
    /// With <see cref="Endpoint"/>: the client to send with; it stays the caller's to dispose. Null: the container's
    /// <see cref="System.Net.Http.HttpClient"/> where one is registered, else a shared one without a time limit.
    /// </summary>
    public HttpClient? HttpClient { get; init; }

    internal HearthServiceOptions Checked()
    {
        if ((ModelPath is null) == (Endpoint is null))
        {
            throw new ArgumentException("exactly one of ModelPath and Endpoint must be set");
        }

        if (ModelPath is not null && string.IsNullOrWhiteSpace(ModelPath))
        {
            throw new ArgumentException("ModelPath must not be empty");
        }

        if (Endpoint is not null && (!Endpoint.IsAbsoluteUri || Endpoint.Scheme is not ("http" or "https")))
        {
            throw new ArgumentException($"Endpoint must be an absolute http or https address, found '{Endpoint}'");
        }

        if (HttpClient is not null && Endpoint is null)
        {
            throw new ArgumentException("HttpClient has a meaning only with Endpoint");
        }

        if (Model is not null && ModelPath is null)
        {
            throw new ArgumentException("Model has a meaning only with ModelPath");
        }

        return this;
    }
}
