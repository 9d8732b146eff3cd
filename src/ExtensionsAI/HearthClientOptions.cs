using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Hearth.Runtime.Graphs;

namespace Hearth.Extensions.AI;

/// <summary>Where a client finds its model: a file loaded into this process, or a Hearth service.</summary>
/// <remarks>Exactly one of <see cref="ModelPath"/> and <see cref="Endpoint"/> is set. Immutable.</remarks>
public record HearthClientOptions
{
    /// <summary>A GGUF file, loaded into this process when it is first needed. Whoever names the same file with the same options for the same use, in whatever container or kernel, shares one model.</summary>
    public string? ModelPath { get; init; }

    /// <summary>With <see cref="ModelPath"/>: how the model is loaded; null: every default. Services of a container that share a file must agree on it.</summary>
    public ModelOptions? Model { get; init; }

    /// <summary>With <see cref="ModelPath"/>: what computes the model, "hearth" or the name of another engine that the program refers to ("llamasharp": the package Hearth.LLamaSharp and a backend LLamaSharp.Backend.*). Null: as <see cref="Model"/> says, else Hearth's own.</summary>
    public string? Engine { get; init; }

    /// <summary>With <see cref="ModelPath"/>, of an embedding generator: how tokens become one vector; null: as the file says, else the mean for encoders and the last token for decoders.</summary>
    public PoolingKind? Pooling { get; init; }

    /// <summary>With <see cref="ModelPath"/>: how long the model stays loaded after its last user has gone, at least 0; <see cref="Timeout.InfiniteTimeSpan"/>: until the process ends. Null: 60 s. Of several users the longest counts.</summary>
    /// <remarks>A user is a container (or a kernel) from its first client on until it is disposed or collected as garbage, and a request while it runs.</remarks>
    public TimeSpan? KeepAlive { get; init; }

    /// <summary>The address of a Hearth service, such as <c>http://127.0.0.1:4327</c>, without the <c>/v1</c>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>With <see cref="Endpoint"/>: which of the service's models; null: the first that does what the client is for. With <see cref="ModelPath"/>: the name to report; null: the model's own.</summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// With <see cref="Endpoint"/>: the client to send with; it stays the caller's to dispose. Null: the container's
    /// <see cref="System.Net.Http.HttpClient"/> where one is registered, else a shared one without a time limit.
    /// </summary>
    public HttpClient? HttpClient { get; init; }

    /// <summary>How the model is loaded, its engine included; null: every default.</summary>
    internal ModelOptions? LoadOptions => Engine is null ? Model : (Model ?? ModelOptions.Default) with { Engine = Engine };

    /// <param name="embeds">Whether they are of an embedding generator.</param>
    /// <exception cref="ArgumentException">They name neither or both sources, or hold an unusable value.</exception>
    internal void Check(bool embeds = false)
    {
        if ((ModelPath is null) == (Endpoint is null))
            throw new ArgumentException("exactly one of ModelPath and Endpoint must be set");
        if (ModelPath is not null && string.IsNullOrWhiteSpace(ModelPath))
            throw new ArgumentException("ModelPath must not be empty");
        if (Endpoint is not null && (!Endpoint.IsAbsoluteUri || Endpoint.Scheme is not ("http" or "https")))
            throw new ArgumentException($"Endpoint must be an absolute http or https address, found '{Endpoint}'");
        if (HttpClient is not null && Endpoint is null)
            throw new ArgumentException("HttpClient has a meaning only with Endpoint");
        if (Model is not null && ModelPath is null)
            throw new ArgumentException("Model has a meaning only with ModelPath");
        if (Engine is not null && ModelPath is null)
            throw new ArgumentException("Engine has a meaning only with ModelPath");
        if (Engine is not null && string.IsNullOrWhiteSpace(Engine))
            throw new ArgumentException("Engine must not be empty");
        if (Engine is { } engine && Model?.Engine is { } other && !engine.Equals(other, StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException($"Engine is '{engine}', but that of Model is '{other}'");
        if (Pooling is not null && (ModelPath is null || !embeds))
            throw new ArgumentException("Pooling has a meaning only for an embedding generator with ModelPath");
        if (KeepAlive is not null && ModelPath is null)
            throw new ArgumentException("KeepAlive has a meaning only with ModelPath");
        if (KeepAlive is { } time && time != Timeout.InfiniteTimeSpan && (time < TimeSpan.Zero || time > ModelPool.LongestKeepAlive))
            throw new ArgumentException($"KeepAlive must be between 0 and {ModelPool.LongestKeepAlive.TotalDays:0} days, or infinite, found {time}");
    }
}
