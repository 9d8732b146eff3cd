namespace Hearth.Runtime.Caching;

/// <summary>What always holds of a cache's bookkeeping between two calls.</summary>
internal static class KvCacheInvariants
{
    /// <summary>Every violation, in words; empty when all is well.</summary>
    public static IReadOnlyList<string> FindViolations(KvCacheState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return [.. FreePages(state), .. PageTables(state), .. ReferenceCounts(state), .. Tree(state), .. Evictable(state), .. Shared(state), .. States(state)];
    }

    /// <summary>The switch of the runtime's configuration by which caches check themselves; the tests set it.</summary>
    internal const string Switch = "Hearth.CheckInvariants";

    internal static bool AreChecked { get; } = AppContext.TryGetSwitch(Switch, out var isOn) && isOn;

    /// <summary>Where the switch is on, fails on a violation.</summary>
    /// <exception cref="InvalidOperationException">The books do not balance.</exception>
    internal static void Check(KvCache cache)
    {
        if (!AreChecked)
            return;
        var violations = FindViolations(cache.CaptureState());
        if (violations.Count > 0)
            throw new InvalidOperationException($"the cache's books do not balance: {string.Join("; ", violations)}");
    }

    private static IEnumerable<string> FreePages(KvCacheState state)
    {
        foreach (var page in state.FreePages.GroupBy(page => page).Where(group => group.Count() > 1))
        {
            yield return $"page {page.Key} is free {page.Count()} times";
        }

        foreach (var page in state.FreePages.Where(page => state.References[page] != 0))
        {
            yield return $"page {page} is free, but has {state.References[page]} references";
        }

        var owned = state.Sequences.SelectMany(s => s.Pages).Distinct().Count();
        if (state.FreePages.Length + owned + state.EvictablePages.Length != state.References.Length)
        {
            yield return $"{state.FreePages.Length} free + {owned} owned + {state.EvictablePages.Length} cached pages are not {state.References.Length}";
        }
    }

    private static IEnumerable<string> PageTables(KvCacheState state)
    {
        foreach (var sequence in state.Sequences)
        {
            if (sequence.Pages.Distinct().Count() != sequence.Pages.Length)
            {
                yield return $"a page stands twice in the table [{string.Join(' ', sequence.Pages)}]";
            }

            if ((long)sequence.Pages.Length * state.PageTokens < sequence.Tokens.Length)
            {
                yield return $"{sequence.Pages.Length} pages do not cover {sequence.Tokens.Length} positions";
            }
        }
    }

    private static IEnumerable<string> ReferenceCounts(KvCacheState state)
    {
        var expected = new int[state.References.Length];
        foreach (var page in state.Sequences.SelectMany(s => s.Pages).Concat(state.Nodes.Select(n => n.Page)))
        {
            expected[page]++;
        }

        for (var page = 0; page < expected.Length; page++)
        {
            if (expected[page] != state.References[page])
            {
                yield return $"page {page} has {state.References[page]} references, but {expected[page]} holders";
            }
        }
    }

    private static IEnumerable<string> Tree(KvCacheState state)
    {
        var parents = state.Nodes.Select(n => n.ParentPage).ToHashSet();
        var nodes = new Dictionary<int, PrefixNodeState>();
        foreach (var node in state.Nodes)
        {
            if (!nodes.TryAdd(node.Page, node))
            {
                yield return $"page {node.Page} stands twice in the tree";
            }

            if (node.Tokens.Length != state.PageTokens && (node.Tokens.IsEmpty || parents.Contains(node.Page)))
            {
                yield return $"page {node.Page} in the tree holds {node.Tokens.Length} tokens, but has children or none at all";
            }

            if (node.ParentPage >= 0 && !nodes.ContainsKey(node.ParentPage))
            {
                yield return $"page {node.Page} in the tree hangs on page {node.ParentPage}, which is not above it";
            }

            if (node.ParentPage >= 0 && state.References[node.Page] > 1 && state.References[node.ParentPage] < 2)
            {
                yield return $"page {node.Page} is in use, but its parent {node.ParentPage} is not";
            }
        }

        foreach (var siblings in state.Nodes.GroupBy(n => n.ParentPage))
        {
            foreach (var node in siblings.Where(node => siblings.Any(other => other != node && other.Tokens.AsSpan().StartsWith(node.Tokens.AsSpan()))))
            {
                yield return $"page {node.Page} is redundant beside a sibling that starts with its tokens";
            }
        }
    }

    private static IEnumerable<string> Evictable(KvCacheState state)
    {
        var idle = state.Nodes.Select(n => n.Page).Where(page => state.References[page] == 1).ToHashSet();
        if (!idle.SetEquals(state.EvictablePages) || idle.Count != state.EvictablePages.Length)
        {
            yield return $"evictable are [{string.Join(' ', state.EvictablePages)}], but only the tree holds [{string.Join(' ', idle)}]";
        }

        var children = state.Nodes.ToLookup(n => n.ParentPage);
        var gone = new HashSet<int>();
        foreach (var page in state.EvictablePages)
        {
            gone.Add(page);
            if (children[page].Any(child => !gone.Contains(child.Page)))
            {
                yield return $"page {page} would be evicted before its children";
            }
        }
    }

    private static IEnumerable<string> States(KvCacheState state)
    {
        var expected = new int[state.StateReferences.Length];
        foreach (var held in state.Sequences.SelectMany(s => s.States).Concat(state.Nodes.Select(n => n.State).Where(s => s >= 0)))
        {
            expected[held]++;
        }

        for (var i = 0; i < expected.Length; i++)
        {
            if (expected[i] != state.StateReferences[i])
            {
                yield return $"state {i} has {state.StateReferences[i]} references, but {expected[i]} holders";
            }
        }
    }

    /// <summary>A sequence may only hold a page of the tree for the tokens that the tree keeps it for.</summary>
    private static IEnumerable<string> Shared(KvCacheState state)
    {
        var nodes = state.Nodes.DistinctBy(n => n.Page).ToDictionary(n => n.Page);
        foreach (var sequence in state.Sequences)
        {
            for (var i = 0; i < sequence.Pages.Length && i * state.PageTokens < sequence.Tokens.Length; i++)
            {
                var begin = i * state.PageTokens;
                var held = sequence.Tokens.AsSpan()[begin..Math.Min(begin + state.PageTokens, sequence.Tokens.Length)];
                if (nodes.TryGetValue(sequence.Pages[i], out var node) && held.CommonPrefixLength(node.Tokens.AsSpan()) < Math.Min(held.Length, node.Tokens.Length))
                {
                    yield return $"page {node.Page} is cached for other tokens than a sequence holds it for";
                }
            }
        }
    }
}
