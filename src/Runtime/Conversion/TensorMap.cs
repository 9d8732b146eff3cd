namespace Hearth.Runtime.Conversion;

/// <summary>Maps a checkpoint's tensors to GGUF's names: what is mapped twice, not at all, or missing does not pass.</summary>
/// <remarks>Names are given without <c>.weight</c> and <c>.bias</c>, and without the prefixes that the family strips.</remarks>
internal sealed class TensorMap
{
    private const int MostNamed = 8;
    private const int MostMissing = 10_000;

    private readonly Dictionary<string, CheckpointTensor> _sources;
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];
    private readonly List<(string Name, RowTensor Tensor)> _targets = [];
    private readonly string _folder;

    /// <summary>Starts with all tensors of a checkpoint.</summary>
    /// <param name="checkpoint">The source.</param>
    /// <param name="prefixes">Stripped from names, the first that fits.</param>
    public TensorMap(Checkpoint checkpoint, IReadOnlyList<string> prefixes)
    {
        _folder = checkpoint.Folder;
        _sources = new Dictionary<string, CheckpointTensor>(checkpoint.Tensors.Count, StringComparer.Ordinal);
        foreach (var (name, tensor) in checkpoint.Tensors)
        {
            var prefix = prefixes.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal)) ?? "";
            if (!_sources.TryAdd(name[prefix.Length..], tensor))
                throw new ModelFormatException($"the tensors '{name}' and '{_sources[name[prefix.Length..]].Name}' are one and the same", tensor.File);
        }
    }

    /// <summary>Whether the checkpoint has a tensor of this full name.</summary>
    public bool Has(string source) => _sources.ContainsKey(source);

    /// <summary>A weight that must be there, and its bias where there is one.</summary>
    public void Weight(string source, string target, Func<RowTensor, RowTensor>? change = null)
    {
        Exactly(source + ".weight", target + ".weight", change);
        if (Has(source + ".bias"))
            Exactly(source + ".bias", target + ".bias", change);
    }

    /// <summary>A weight and a bias that must be there.</summary>
    public void Affine(string source, string target, Func<RowTensor, RowTensor>? change = null)
    {
        Exactly(source + ".weight", target + ".weight", change);
        Exactly(source + ".bias", target + ".bias", change);
    }

    /// <summary>A weight that some models of the family lack.</summary>
    public void Optional(string source, string target, Func<RowTensor, RowTensor>? change = null)
    {
        if (Has(source + ".weight"))
            Weight(source, target, change);
    }

    /// <summary>The tokens' table, and the output head where it is not the table again.</summary>
    /// <remarks>Of two names for one table a safetensors file may keep either, so that a tied model's may be the head's.</remarks>
    /// <param name="source">The table's name.</param>
    /// <param name="config">Says whether the head is tied to the table.</param>
    /// <param name="head">The head's name.</param>
    /// <param name="output">What the head is written as; null: it is left out.</param>
    public void TokenTable(string source, ModelConfig config, string head = "lm_head", string? output = "output")
    {
        if (!Has(source + ".weight") && Has(head + ".weight") && config.Find("tie_word_embeddings")?.Flag != false)
        {
            Exactly(head + ".weight", "token_embd.weight");
            return;
        }

        Weight(source, "token_embd");
        if (output is not null)
            Optional(head, output);
    }

    /// <summary>One tensor by full names.</summary>
    public void Exactly(string source, string target, Func<RowTensor, RowTensor>? change = null)
    {
        if (Take(source) is { } tensor)
            _targets.Add((target, change is null ? tensor : change(tensor)));
    }

    /// <summary>One tensor by full name as two: the upper and the lower half of each matrix.</summary>
    public void Halves(string source, string upper, string lower)
    {
        if (Take(source) is { } tensor)
            _targets.AddRange([(upper, tensor.Part(0, 2)), (lower, tensor.Part(1, 2))]);
    }

    /// <summary>One tensor by full name as three: queries, keys and values one below the other.</summary>
    public void Thirds(string source, params ReadOnlySpan<string> targets)
    {
        if (Take(source) is not { } tensor)
            return;
        for (var i = 0; i < targets.Length; i++)
            _targets.Add((targets[i], tensor.Part(i, targets.Length)));
    }

    /// <summary>The weights of all experts as one tensor.</summary>
    /// <param name="source">The name for an expert's number.</param>
    /// <param name="count">Experts.</param>
    /// <param name="target">The name in GGUF.</param>
    public void Experts(Func<int, string> source, int count, string target)
    {
        // No more can be there than the checkpoint has tensors, whatever its config says.
        var experts = Enumerable.Range(0, Math.Min(count, _sources.Count + 1)).Select(expert => Take(source(expert) + ".weight")).ToArray();
        if (Array.TrueForAll(experts, expert => expert is not null))
            _targets.Add((target + ".weight", RowTensor.Stack(experts!)));
    }

    /// <summary>A tensor that the checkpoint states by a formula.</summary>
    public void Add(string target, float[] values) => _targets.Add((target, RowTensor.Of(values)));

    /// <summary>Leaves tensors out that the architecture has no use for.</summary>
    public void Ignore(Func<string, bool> which) => _used.UnionWith(_sources.Keys.Where(which));

    /// <summary>All mapped tensors.</summary>
    /// <exception cref="ModelFormatException">Tensors are missing, or left over.</exception>
    public IReadOnlyList<(string Name, RowTensor Tensor)> Finish()
    {
        if (_missing.Count > 0)
            throw Missing();
        var left = _sources.Where(source => !_used.Contains(source.Key)).Select(source => source.Value.Name).Order(StringComparer.Ordinal).ToList();
        return left.Count == 0 ? _targets
            : throw new ModelFormatException($"{left.Count} tensors have no place in the architecture: {List(left)}", _folder);
    }

    private RowTensor? Take(string source)
    {
        if (!_sources.TryGetValue(source, out var tensor))
        {
            _missing.Add(source);
            return _missing.Count < MostMissing ? null : throw Missing();
        }

        _used.Add(source);
        return tensor.AsRows();
    }

    private ModelFormatException Missing() => new($"{_missing.Count} tensors are missing: {List(_missing)}", _folder);

    private static string List(List<string> names)
        => string.Join(", ", names.Take(MostNamed)) + (names.Count > MostNamed ? $" and {names.Count - MostNamed} more" : "");
}
