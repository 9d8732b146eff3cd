using System.Collections.Frozen;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Agents;

/// <summary>The tool servers of the configuration, each connected at most once.</summary>
internal sealed class ToolServers(ServiceConfiguration configuration, ILoggerFactory logging) : IAsyncDisposable
{
    private readonly FrozenDictionary<string, ToolServer> _servers = configuration.ToolServers.ToFrozenDictionary(server => server.Id, server => new ToolServer(server, logging), StringComparer.Ordinal);

    /// <summary>The tools that a preset's servers have now.</summary>
    /// <exception cref="ToolServerException">A server cannot be reached.</exception>
    public async Task<AgentTools> GetAsync(PresetConfiguration preset, CancellationToken cancellationToken)
    {
        try
        {
            var listed = await Task.WhenAll(preset.ToolServers.Select(id => _servers[id].GetToolsAsync(cancellationToken)));
            return new AgentTools(preset, listed.SelectMany(tools => tools));
        }
        catch (ToolServerException exception)
        {
            logging.CreateLogger<ToolServers>().LogWarning("{Message}", exception.Message);
            throw new ToolServerException($"the preset '{preset.Id}': {exception.Message}", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers.Values)
        {
            await server.DisposeAsync();
        }
    }
}

/// <summary>Tools that the service runs itself for a preset, by the names under which the model calls them.</summary>
internal sealed class AgentTools
{
    private readonly Dictionary<string, ServerTool> _tools = new(StringComparer.Ordinal);

    public AgentTools(PresetConfiguration preset, IEnumerable<ServerTool> tools)
    {
        Preset = preset;
        foreach (var tool in tools)
        {
            // The first of a name has it; others say whose they are.
            if (!_tools.TryAdd(tool.Name, tool) && !_tools.TryAdd($"{tool.Server.Id}_{tool.Name}", tool))
            {
                throw new ToolServerException($"two tools are named '{tool.Server.Id}_{tool.Name}'");
            }
        }
    }

    /// <summary>Whose they are.</summary>
    public PresetConfiguration Preset { get; }

    /// <summary>As chats list tools.</summary>
    public IEnumerable<JsonObject> Functions => _tools.Select(tool => tool.Value.ToFunction(tool.Key));

    /// <summary>Whether the service runs the tool of this name.</summary>
    public bool Runs(string name) => _tools.ContainsKey(name);

    /// <summary>Runs it.</summary>
    public Task<string> CallAsync(string name, JsonObject arguments, CancellationToken cancellationToken) => _tools[name].Server.CallAsync(_tools[name].Name, arguments, cancellationToken);
}
