namespace Hearth.Runtime.Constraints.Machine;

/// <summary>A set of stacks of nodes, as a tree of their tops in which equal parts are one object.</summary>
/// <remarks>The form is canonical: equal sets are the same object, whatever order they were made in. Made by <see cref="StackSets"/>.</remarks>
internal sealed class StackSet
{
    internal StackSet(int id, bool holdsEmpty, (Node Top, StackSet Below)[] tops)
    {
        Id = id;
        HoldsEmpty = holdsEmpty;
        Tops = tops;
    }

    public int Id { get; }

    /// <summary>Whether the empty stack is in the set: the text may end.</summary>
    public bool HoldsEmpty { get; }

    /// <summary>What stacks begin with and what lies below, by the top's number.</summary>
    public (Node Top, StackSet Below)[] Tops { get; }
}

/// <summary>Makes sets of stacks. Not thread-safe.</summary>
internal sealed class StackSets
{
    private readonly Dictionary<Key, StackSet> _known = [];
    private readonly Dictionary<(StackSet, StackSet), StackSet> _unions = [];
    private int _made;

    public StackSets() => OnlyEmpty = Intern(holdsEmpty: true, []);

    /// <summary>The empty stack alone.</summary>
    public StackSet OnlyEmpty { get; }

    /// <summary>Sets that are remembered.</summary>
    public int Count => _known.Count + _unions.Count;

    /// <summary>A node on top of every stack.</summary>
    public StackSet Push(Node top, StackSet below) => Intern(holdsEmpty: false, [(top, below)]);

    /// <summary>The stacks of both.</summary>
    public StackSet Union(StackSet a, StackSet b)
    {
        if (a == b)
        {
            return a;
        }

        if (a.Id > b.Id)
        {
            (a, b) = (b, a);
        }

        if (_unions.TryGetValue((a, b), out var known))
        {
            return known;
        }

        var tops = new List<(Node Top, StackSet Below)>(a.Tops.Length + b.Tops.Length);
        for (int i = 0, j = 0; i < a.Tops.Length || j < b.Tops.Length;)
        {
            if (j == b.Tops.Length || (i < a.Tops.Length && a.Tops[i].Top.Id < b.Tops[j].Top.Id))
            {
                tops.Add(a.Tops[i++]);
            }
            else if (i == a.Tops.Length || b.Tops[j].Top.Id < a.Tops[i].Top.Id)
            {
                tops.Add(b.Tops[j++]);
            }
            else
            {
                System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
                tops.Add((a.Tops[i].Top, Union(a.Tops[i++].Below, b.Tops[j++].Below)));
            }
        }

        var union = Intern(a.HoldsEmpty || b.HoldsEmpty, [.. tops]);
        _unions[(a, b)] = union;
        return union;
    }

    /// <summary>Forgets what was made; sets in use stay valid, but equal ones may be made again.</summary>
    public void Forget()
    {
        _known.Clear();
        _unions.Clear();
        _known.Add(new Key(OnlyEmpty.HoldsEmpty, OnlyEmpty.Tops), OnlyEmpty);
    }

    private StackSet Intern(bool holdsEmpty, (Node Top, StackSet Below)[] tops)
    {
        var key = new Key(holdsEmpty, tops);
        if (!_known.TryGetValue(key, out var known))
        {
            _known.Add(key, known = new StackSet(_made++, holdsEmpty, tops));
        }

        return known;
    }

    private readonly struct Key(bool holdsEmpty, (Node Top, StackSet Below)[] tops) : IEquatable<Key>
    {
        private readonly bool _holdsEmpty = holdsEmpty;
        private readonly (Node Top, StackSet Below)[] _tops = tops;

        public bool Equals(Key other) => _holdsEmpty == other._holdsEmpty && _tops.AsSpan().SequenceEqual(other._tops);

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(_holdsEmpty);
            foreach (var (top, below) in _tops)
            {
                hash.Add(top.Id);
                hash.Add(below.Id);
            }

            return hash.ToHashCode();
        }
    }
}
