using Hearth.Runtime;
using Hearth.Runtime.Graphs;

namespace Hearth.SemanticKernel;

/// <summary>Where a Semantic Kernel service finds its model: a file loaded into this process, or a Hearth service.</summary>
/// <remarks>Exactly one of <see cref="ModelPath"/> and <see cref="Endpoint"/> is set. Immutable.</remarks>
public sealed record HearthServiceOptions
{
    /// <summary>A GGUF file, loaded into this process when it is first needed. Services of the same use registered with the same path share one model.</summary>
    public string? ModelPath { get; init; }

    /// <summary>With <see cref="ModelPath"/>: how the model is loaded; null: every default. Services that share a model must agree on it.</summary>
    public ModelOptions? Model { get; init; }

    /// <summary>With <see cref="ModelPath"/>, of an embedding generator: how tokens become one vector; null: as the file says, else the mean for encoders and the last token for decoders.</summary>
    public PoolingKind? Pooling { get; init; }

    /// <summary>The address of a Hearth service, such as <c>http://127.0.0.1:4327</c>, without the <c>/v1</c>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>With <see cref="Endpoint"/>: which of the service's models; null: the first that does what the service is for. With <see cref="ModelPath"/>: the name to report; null: the model's own.</summary>
    public string? ModelId { get; init; }

    /// <summary>The key under which the kernel finds this service among several; null: none.</summary>
    public string? ServiceId { get; init; }

    /// <summary>
    /// With <see cref="Endpoint"/>: the client to send with; it stays the caller's to dispose. Null: the container's
    /// <see cref="System.Net.Http.HttpClient"/> where one is registered, else a shared one without a time limit.
    /// </summary>
    public HttpClient? HttpClient { get; init; }

    /// <param name="embeds">Whether they are of an embedding generator.</param>
    internal HearthServiceOptions Checked(bool embeds = false)
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

        if (Pooling is not null && (ModelPath is null || !embeds))
        {
            throw new ArgumentException("Pooling has a meaning only for an embedding generator with ModelPath");
        }

        return this;
    }
}
