using Hearth.Runtime.Caching;

namespace Hearth.Runtime.Scheduling;

/// <content>Who is let in, and when.</content>
internal sealed partial class Scheduler
{
    private void Admit()
    {
        while (_queue.Peek() is { } next && HasRows(next) && HasPlace(next) && TryAdmit(next))
        {
        }

        if (_admitted.Count > 0)
        {
            _queue.NoteServed(_admitted.Min(request => request.Turn));
        }
    }

    /// <summary>Whether a request has a place; where all are taken, the last in order gives its own to one that comes before it.</summary>
    /// <remarks>Its pages stay cached until their room is needed, so that it goes on soon where it was.</remarks>
    private bool HasPlace(ScheduledRequest request)
    {
        if (_admitted.Count < _maxAdmitted)
        {
            return true;
        }

        if (_maxAdmitted == 1 || RequestOrder.Instance.Compare(request, _admitted[^1]) > 0)
        {
            return false;
        }

        Preempt(_admitted[^1]);
        return true;
    }

    /// <summary>Whether those that come before a request leave it a row of the next step.</summary>
    /// <remarks>Admitted no sooner, it finds the prefixes that they leave: of many equal system prompts few are computed.</remarks>
    private bool HasRows(ScheduledRequest request)
    {
        long taken = 0;
        foreach (var other in _admitted)
        {
            if (other.IsDecoding || RequestOrder.Instance.Compare(other, request) < 0)
            {
                taken += other.Pending;
            }
        }

        return taken < _rowBudget;
    }

    private bool TryAdmit(ScheduledRequest request)
    {
        var version = CacheVersion;
        if (_admitted.Count > 0 && (_refused == (request, version) || !HasRoom(request)))
        {
            _refused = (request, version);
            return false;
        }

        var match = new PrefixMatch(0, CacheMissReason.NothingCached);
        var sequence = SharesPrefix(request) ? _cache.CreateSequence(request.History, out match, request.CacheScope) : _cache.CreateSequence();
        if (!TryAdmitSource(request, ref match) || !_queue.TryRemove(request))
        {
            _refused = (request, version);
            sequence.Dispose();
            request.ReleaseMemory();
            return false;
        }

        if (request.Match is null)
        {
            request.AdmittedAt = _time.GetTimestamp();
            HearthMetrics.PromptTokens.Add(request.PromptTokens, Tag);
            HearthMetrics.CachedTokens.Add(match.Length, Tag);
        }

        request.Match ??= match;
        request.Sequence = sequence;
        request.State = RequestState.Prefilling;
        var place = _admitted.BinarySearch(request, RequestOrder.Instance);
        _admitted.Insert(~place, request);
        CountAdmitted(1);
        request.ReportAdmitted();
        if (request.CompletionTokens == 0)
        {
            // What a constraint forces from the start is read with the prompt.
            JumpAhead(request);
        }

        request.Walk?.FillAhead();
        return true;
    }

    // What a decoder caches depends on the source that it attends to, not on its own tokens alone; and a recurrent
    // sequence has forgotten its beginning.
    private bool SharesPrefix(ScheduledRequest request) => _options.CachePrefixes && request.Source is null && _options.Recurrence is null;

    private bool TryAdmitSource(ScheduledRequest request, ref PrefixMatch match)
    {
        if (request.Source is null)
        {
            return true;
        }

        if (!_encoder!.TryAdmit(request))
        {
            return false;
        }

        if (!request.AwaitsSource)
        {
            match = new PrefixMatch(request.Source.Length, CacheMissReason.None);
        }

        return true;
    }

    // Changes where somebody lets pages go or leaves a prefix: until then there is no more room than there was.
    private long CacheVersion => _cache.Version + (_encoder?.Cache.Version ?? 0);

    /// <summary>Whether a request's prompt fits beside those of the others and a page of growth for each.</summary>
    /// <remarks>Asked while others are admitted. Alone a request is always tried: nobody will make room later.</remarks>
    private bool HasRoom(ScheduledRequest request)
    {
        long wanted = 1 + (SharesPrefix(request) ? _cache.PagesToStart(request.History, request.CacheScope) : _cache.PagesFor(Growth(0, request.History.Length)));
        foreach (var other in _admitted)
        {
            wanted += _cache.PagesToReserve(other.Sequence!, Growth(other.Sequence!.Length, other.Pending)) + 1;
        }

        return wanted <= _cache.AvailablePages;
    }

    // By how many positions a sequence grows when a text goes on; of one that is read in segments only the last are held.
    private int Growth(int held, int positions)
        => _options.Recurrence is { } recurrence
            ? (int)Math.Clamp(recurrence.MostHeld(_rowBudget, _cache.PageTokens) - held, 0, positions) : positions;
}
