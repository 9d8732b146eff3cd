using Hearth.Host.Service;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Hearth.Host.Http;

/// <summary>How many connections the service holds, and who makes room.</summary>
/// <remarks>
/// Beyond the limit a newcomer takes the place of the connection that has been idle longest: one that sends nothing keeps
/// nobody out. Where none is idle a few more are let in, on which /health, /live and /ready alone are answered, so that a busy service is not
/// taken for a dead one.
/// </remarks>
internal sealed class ConnectionGate(LiveConfiguration configuration)
{
    /// <summary>Connections beyond the limit on which it is told whether the service is well.</summary>
    public const int SpareConnections = 64;

    private static readonly PathString[] Probes = ["/health", "/live", "/ready"];

    private readonly object _lock = new();
    private readonly LinkedList<Held> _idle = [];
    private int _count;

    /// <summary>Holds a connection for as long as the rest of the pipeline serves it.</summary>
    public async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var held = new Held(connection);
        Held? evicted = null;
        lock (_lock)
        {
            if (_count >= configuration.Current.Limits.Connections && _idle.First is { } oldest)
            {
                evicted = oldest.Value;
                Forget(evicted);
            }

            held.IsSpare = _count >= configuration.Current.Limits.Connections;
            if (_count < configuration.Current.Limits.Connections + SpareConnections)
            {
                _count++;
                held.IsCounted = true;
                held.Place = _idle.AddLast(held);
            }
        }

        evicted?.Connection.Abort(new ConnectionAbortedException("the connection was idle and its place was needed"));
        if (!held.IsCounted)
        {
            connection.Abort(new ConnectionAbortedException("too many connections"));
            return;
        }

        connection.Items[typeof(ConnectionGate)] = held;
        try
        {
            await next(connection);
        }
        finally
        {
            lock (_lock)
            {
                Forget(held);
            }
        }
    }

    /// <summary>Marks a request's connection as busy while it is answered; one that is held only to tell whether the service is well answers nothing else.</summary>
    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Features.Get<IConnectionItemsFeature>()?.Items is not { } items || !items.TryGetValue(typeof(ConnectionGate), out var found) || found is not Held held)
        {
            await next(context);
            return;
        }

        if (held.IsSpare && !Array.Exists(Probes, path => context.Request.Path.Equals(path)))
        {
            throw new ApiException(StatusCodes.Status503ServiceUnavailable, $"all {configuration.Current.Limits.Connections} connections are busy (Limits:Connections)")
            {
                Code = "too_many_connections",
                RetryAfter = 1,
                ClosesConnection = true,
            };
        }

        Enter(held);
        try
        {
            await next(context);
        }
        finally
        {
            Leave(held);
        }
    }

    private void Enter(Held held)
    {
        lock (_lock)
        {
            held.Requests++;
            if (held.Place is { } place)
            {
                _idle.Remove(place);
                held.Place = null;
            }
        }
    }

    private void Leave(Held held)
    {
        lock (_lock)
        {
            held.Requests--;
            if (held.Requests == 0 && held.IsCounted)
            {
                held.Place = _idle.AddLast(held);
            }
        }
    }

    private void Forget(Held held)
    {
        if (held.Place is { } place)
        {
            _idle.Remove(place);
            held.Place = null;
        }

        if (held.IsCounted)
        {
            held.IsCounted = false;
            _count--;
        }
    }

    private sealed class Held(ConnectionContext connection)
    {
        public ConnectionContext Connection => connection;

        public bool IsSpare { get; set; }

        public bool IsCounted { get; set; }

        /// <summary>Requests being answered.</summary>
        public int Requests { get; set; }

        /// <summary>Its place among the idle ones, the one idle longest first; null while it is busy.</summary>
        public LinkedListNode<Held>? Place { get; set; }
    }
}
