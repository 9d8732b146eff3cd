using System.Text.Json.Nodes;
using Hearth.Host.Service;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Hearth.Host.Agents;

/// <summary>One tool of a server, as models are offered it.</summary>
/// <param name="Server">Runs it.</param>
/// <param name="Name">By this name the server knows it.</param>
/// <param name="Description">What it is for; null: its server does not say.</param>
/// <param name="Schema">Of its arguments.</param>
internal sealed record ServerTool(ToolServer Server, string Name, string? Description, JsonNode Schema)
{
    /// <summary>OpenAI's form of it, as chats list tools.</summary>
    /// <param name="name">How the model is to call it.</param>
    public JsonObject ToFunction(string name)
    {
        var function = new JsonObject { ["name"] = name, ["parameters"] = Schema.DeepClone() };
        if (Description is not null)
        {
            function["description"] = Description;
        }

        return new JsonObject { ["type"] = "function", ["function"] = function };
    }
}

/// <summary>A server of the Model Context Protocol: connected when its tools are first asked for, and again when it has gone.</summary>
/// <remarks>Safe for several threads.</remarks>
internal sealed class ToolServer(ToolServerConfiguration configuration, ILoggerFactory logging) : IAsyncDisposable
{
    private readonly SemaphoreSlim _gate = new(1);
    private McpClient? _client;
    private IReadOnlyList<ServerTool>? _tools;

    /// <summary>Its name in the configuration.</summary>
    public string Id => configuration.Id;

    private TimeSpan Timeout => TimeSpan.FromSeconds(configuration.TimeoutSeconds);

    /// <summary>The tools that it offers now.</summary>
    /// <exception cref="ToolServerException">It cannot be reached, or lacks a tool that the configuration names.</exception>
    public async Task<IReadOnlyList<ServerTool>> GetToolsAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            var client = await ConnectAsync(cancellationToken);
            return _tools ??= await WithinAsync("listing its tools", token => ReadToolsAsync(client, token), cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Runs a tool; what goes wrong with that is a result too, which the model can read.</summary>
    /// <param name="name">The tool's name.</param>
    /// <param name="arguments">They fit its schema.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<string> CallAsync(string name, JsonObject arguments, CancellationToken cancellationToken)
    {
        try
        {
            McpClient client;
            await _gate.WaitAsync(cancellationToken);
            try
            {
                client = await ConnectAsync(cancellationToken);
            }
            finally
            {
                _gate.Release();
            }

            var given = arguments.ToDictionary(member => member.Key, member => (object?)member.Value?.DeepClone());
            var result = await WithinAsync($"calling {name}", async token => await client.CallToolAsync(name, given, cancellationToken: token), cancellationToken);
            return Cut(TextOf(result));
        }
        catch (ToolServerException exception)
        {
            return Cut($"Error: {exception.Message}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync();
        if (_client is { } client)
        {
            _client = null;
            await client.DisposeAsync();
        }

        _gate.Dispose();
    }

    // Under the gate.
    private async Task<McpClient> ConnectAsync(CancellationToken cancellationToken)
    {
        if (_client is { Completion.IsCompleted: false } connected)
        {
            return connected;
        }

        if (_client is { } gone)
        {
            (_client, _tools) = (null, null);
            await gone.DisposeAsync();
        }

        var options = new McpClientOptions
        {
            ClientInfo = new Implementation { Name = "hearth", Version = typeof(ToolServer).Assembly.GetName().Version!.ToString() },
            InitializationTimeout = Timeout,
            Handlers = new McpClientHandlers
            {
                NotificationHandlers =
                [
                    new(NotificationMethods.ToolListChangedNotification, (_, _) =>
                    {
                        Volatile.Write(ref _tools, null);
                        return ValueTask.CompletedTask;
                    }),
                ],
            },
        };
        return _client = await WithinAsync("connecting", token => McpClient.CreateAsync(Transport(), options, logging, token), cancellationToken);
    }

    private IClientTransport Transport()
    {
        if (configuration.Url is { } url)
        {
            return new HttpClientTransport(
                new HttpClientTransportOptions
                {
                    Name = Id,
                    Endpoint = new Uri(url),
                    ConnectionTimeout = Timeout,
                    AdditionalHeaders = configuration.Headers.Select(pair => pair.Split(':', 2)).ToDictionary(pair => pair[0].Trim(), pair => pair[1].Trim(), StringComparer.OrdinalIgnoreCase),
                },
                logging);
        }

        // The service's own variables may hold its keys.
        var environment = StdioClientTransportOptions.GetDefaultEnvironmentVariables();
        foreach (var pair in configuration.Environment)
        {
            var at = pair.IndexOf('=', StringComparison.Ordinal);
            environment[pair[..at]] = pair[(at + 1)..];
        }

        return new StdioClientTransport(
            new StdioClientTransportOptions
            {
                Name = Id,
                Command = configuration.Command!,
                Arguments = [.. configuration.Arguments],
                WorkingDirectory = configuration.WorkingFolder,
                InheritEnvironmentVariables = false,
                EnvironmentVariables = environment,
            },
            logging);
    }

    private async Task<IReadOnlyList<ServerTool>> ReadToolsAsync(McpClient client, CancellationToken cancellationToken)
    {
        var tools = await client.ListToolsAsync(cancellationToken: cancellationToken);
        var missing = configuration.Tools.Except(tools.Select(tool => tool.Name), StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            throw new ToolServerException($"the tool server '{Id}' has no tool '{missing[0]}'; it has {string.Join(", ", tools.Select(tool => tool.Name))}");
        }

        return [.. tools
            .Where(tool => configuration.Tools.Count == 0 || configuration.Tools.Contains(tool.Name))
            .Select(tool => new ServerTool(this, tool.Name, tool.Description, JsonNode.Parse(tool.JsonSchema.GetRawText())!))];
    }

    private async Task<T> WithinAsync<T>(string doing, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Timeout);
        try
        {
            return await work(timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ToolServerException($"the tool server '{Id}' took more than {configuration.TimeoutSeconds} s for {doing}");
        }
        catch (Exception exception) when (exception is McpException or IOException or HttpRequestException or InvalidOperationException or TimeoutException or System.ComponentModel.Win32Exception or System.Text.Json.JsonException)
        {
            throw new ToolServerException($"the tool server '{Id}' failed in {doing}: {exception.Message}", exception);
        }
    }

    private static string TextOf(CallToolResult result)
    {
        var parts = result.Content.Select(part => part switch
        {
            TextContentBlock text => text.Text,
            EmbeddedResourceBlock { Resource: TextResourceContents resource } => resource.Text,
            ResourceLinkBlock link => link.Uri,
            _ => $"[{part.Type}, which the model cannot read]",
        });
        var joined = string.Join('\n', parts);
        joined = joined.Length == 0 && result.StructuredContent is { } structured ? structured.ToString() : joined;
        return result.IsError == true ? $"Error: {joined}" : joined;
    }

    private string Cut(string text)
    {
        var most = configuration.ResultCharacters;
        if (text.Length <= most)
        {
            return text;
        }

        // Not within a character of two units.
        most -= char.IsHighSurrogate(text[most - 1]) ? 1 : 0;
        return $"{text[..most]}\n[{text.Length - most} more characters are cut off]";
    }
}

/// <summary>A tool server cannot do what is needed of it.</summary>
internal sealed class ToolServerException(string message, Exception? inner = null) : Exception(message, inner);
