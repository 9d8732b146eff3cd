using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Responses that later requests may go on from: the latest, in memory, within bounds of number and size.</summary>
/// <remarks>A client finds its own only, where the service keeps clients apart. Nothing of it outlives the service.</remarks>
internal sealed class ResponseStore(LiveConfiguration configuration)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Scope, string Id), LinkedListNode<Kept>> _byId = [];
    private readonly LinkedList<Kept> _byUse = [];
    private long _bytes;

    /// <summary>Keeps a response; the least used ones go where there is no room.</summary>
    /// <param name="scope">Whose it is.</param>
    /// <param name="id">Its name.</param>
    /// <param name="response">As it was answered.</param>
    /// <param name="items">The conversation before it and its input.</param>
    public void Add(string? scope, string id, JsonObject response, IReadOnlyList<JsonObject> items)
    {
        var kept = new Kept((scope ?? "", id), new StoredResponse(response, items), Size(response) + items.Sum(Size));
        lock (_lock)
        {
            if (kept.Bytes > configuration.Current.Limits.StoredResponseBytes)
            {
                return;
            }

            _byId[kept.Key] = _byUse.AddLast(kept);
            _bytes += kept.Bytes;
            while (_byUse.Count > configuration.Current.Limits.StoredResponses || _bytes > configuration.Current.Limits.StoredResponseBytes)
            {
                Forget(_byUse.First!);
            }
        }
    }

    /// <summary>A response that is kept.</summary>
    /// <exception cref="ApiException">There is none of that name.</exception>
    public StoredResponse Find(string? scope, string id, string? param = null)
    {
        lock (_lock)
        {
            if (_byId.TryGetValue((scope ?? "", id), out var node))
            {
                _byUse.Remove(node);
                _byUse.AddLast(node);
                return node.Value.Response;
            }
        }

        throw NotFound(id, param);
    }

    /// <summary>Forgets a response.</summary>
    /// <exception cref="ApiException">There is none of that name.</exception>
    public void Remove(string? scope, string id)
    {
        lock (_lock)
        {
            if (_byId.TryGetValue((scope ?? "", id), out var node))
            {
                Forget(node);
                return;
            }
        }

        throw NotFound(id, null);
    }

    /// <summary>An item of any response of a scope, by its id; null where there is none.</summary>
    public JsonObject? FindItem(string? scope, string id)
    {
        lock (_lock)
        {
            return _byUse.Where(kept => kept.Key.Scope == (scope ?? "")).SelectMany(kept => kept.Response.Items.Concat(kept.Response.Output))
                .FirstOrDefault(item => item["id"]?.GetValueKind() == System.Text.Json.JsonValueKind.String && item["id"]!.GetValue<string>() == id);
        }
    }

    private static ApiException NotFound(string id, string? param)
        => param is null
            ? new ApiException(StatusCodes.Status404NotFound, $"Response with id '{Shown(id)}' not found.")
            : ApiException.BadRequest($"Previous response with id '{Shown(id)}' not found.", param, "previous_response_not_found");

    private static string Shown(string id) => id.Length > 80 ? id[..80] + "..." : id;

    private static long Size(JsonObject node) => System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(node, ProtocolJson.Wire.JsonObject).Length;

    private void Forget(LinkedListNode<Kept> node)
    {
        _byUse.Remove(node);
        _byId.Remove(node.Value.Key);
        _bytes -= node.Value.Bytes;
    }

    private sealed record Kept((string Scope, string Id) Key, StoredResponse Response, long Bytes);
}

/// <summary>A response and what it answers.</summary>
internal sealed record StoredResponse(JsonObject Response, IReadOnlyList<JsonObject> Items)
{
    /// <summary>What it said.</summary>
    public IEnumerable<JsonObject> Output => Response["output"]!.AsArray().Select(item => item!.AsObject());

    /// <summary>The whole conversation, oldest first.</summary>
    public IReadOnlyList<JsonObject> Conversation => [.. Items, .. Output];
}
