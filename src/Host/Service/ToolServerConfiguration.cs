namespace Hearth.Host.Service;

/// <summary>A server of the Model Context Protocol whose tools presets may offer: a program that is started, or an address.</summary>
/// <remarks>Specification: modelcontextprotocol.io; transports stdio and streamable HTTP.</remarks>
internal sealed record ToolServerConfiguration
{
    /// <summary>The name by which presets ask for it.</summary>
    public string Id { get; init; } = "";

    /// <summary>A program, started when its tools are first needed; it talks over its standard input and output.</summary>
    public string? Command { get; init; }

    /// <summary>The program's arguments.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Variables of the program, NAME=VALUE each, beside those that programs need to start; it sees no others of the service.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>The folder in which the program runs; null: the service's own.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>The address of a server that runs already; http or https.</summary>
    public string? Url { get; init; }

    /// <summary>Headers of requests to it, NAME: VALUE each.</summary>
    public IReadOnlyList<string> Headers { get; init; } = [];

    /// <summary>Names of its tools that are offered; none: all.</summary>
    public IReadOnlyList<string> Tools { get; init; } = [];

    /// <summary>Seconds that it may take to start, and for each call.</summary>
    public double TimeoutSeconds { get; init; } = 60;

    /// <summary>Characters of a result that the model gets to read; what is beyond is cut off, and the model told so.</summary>
    public int ResultCharacters { get; init; } = 32_768;

    /// <summary>What is wrong with it; null: nothing.</summary>
    public string? FindFault() => this switch
    {
        { Id: "" } => "a tool server has an Id",
        { Command: null, Url: null } => $"the tool server '{Id}' has neither a Command nor a Url",
        { Command: not null, Url: not null } => $"the tool server '{Id}' has both a Command and a Url",
        { Url: not null } when !Uri.TryCreate(Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") => $"the Url of the tool server '{Id}' must be an http or https address, found '{Url}'",
        { Url: not null, Arguments.Count: > 0 } or { Url: not null, Environment.Count: > 0 } or { Url: not null, WorkingFolder: not null } => $"Arguments, Environment and WorkingFolder of the tool server '{Id}' are a program's; it has a Url",
        { Command: not null, Headers.Count: > 0 } => $"Headers of the tool server '{Id}' are an address's; it has a Command",
        { TimeoutSeconds: not (> 0 and <= 3600) } => $"TimeoutSeconds of the tool server '{Id}' must be above 0 and at most 3600, found {TimeoutSeconds}",
        { ResultCharacters: < 1 } => $"ResultCharacters of the tool server '{Id}' must be at least 1, found {ResultCharacters}",
        _ when Environment.FirstOrDefault(pair => pair.IndexOf('=', StringComparison.Ordinal) < 1) is { } pair => $"Environment of the tool server '{Id}' must be NAME=VALUE each, found '{pair}'",
        _ when Headers.FirstOrDefault(pair => pair.IndexOf(':', StringComparison.Ordinal) < 1) is { } pair => $"Headers of the tool server '{Id}' must be NAME: VALUE each, found '{pair}'",
        _ => null,
    };
}
