using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>A model's file while its program is written: sizes, metadata with ranges, tensors.</summary>
internal sealed class ModelFile
{
    private readonly GgufFile _file;

    // Tensors of which one is used, depending on what is asked for.
    private readonly HashSet<string> _alternatives = new(StringComparer.Ordinal);

    /// <summary>Reads the sizes.</summary>
    /// <param name="file">Open until the program is compiled.</param>
    /// <param name="limits">The most that will be asked of the program.</param>
    /// <exception cref="ModelFormatException">A size is missing, mistyped or out of range.</exception>
    public ModelFile(GgufFile file, StepLimits limits)
    {
        _file = file;
        Limits = limits;
        Program = new ProgramBuilder(file);
        Sizes = Hyperparameters.Read(file.Metadata);
        Keys = new Hyperparameters.Keys(file.Metadata, Sizes.Architecture);
    }

    /// <summary>The most that will be asked of the program.</summary>
    public StepLimits Limits { get; }

    /// <summary>What the model computes, as far as it is written.</summary>
    public ProgramBuilder Program { get; }

    /// <summary>Sizes that every decoder has.</summary>
    public Hyperparameters Sizes { get; }

    /// <summary>The architecture's metadata.</summary>
    public Hyperparameters.Keys Keys { get; }

    /// <summary>An error about the file.</summary>
    public ModelFormatException Wrong(string what) => new(what, _file.Path);

    /// <summary>All metadata, for keys that are not the architecture's.</summary>
    public GgufMetadata Metadata => _file.Metadata;

    /// <summary>Whether the file has a tensor.</summary>
    public bool Has(string name) => _file.FindTensor(name) is not null;

    /// <summary>A tensor's second extent; 0 where the file lacks it.</summary>
    public long Rows(string name) => _file.FindTensor(name)?.Extent(1) ?? 0;

    /// <summary>A tensor's values; 0 where the file lacks it.</summary>
    public long Elements(string name) => _file.FindTensor(name)?.ElementCount ?? 0;

    /// <summary>A tensor's first extent.</summary>
    /// <exception cref="ModelFormatException">The file lacks it.</exception>
    public long Columns(string name) => _file.FindTensor(name)?.Extent(0) ?? throw Wrong($"tensor '{name}' is missing");

    /// <summary>The usual attention in every layer, rotated as the file says.</summary>
    /// <param name="layout">Which values rotate together in this architecture's files; null: none do.</param>
    /// <param name="change">What differs from the usual.</param>
    public Func<int, AttentionPart> Attention(RopeLayout? layout, Func<SelfAttention, SelfAttention>? change = null)
    {
        var rotation = layout is { } known ? Rotation(known) : null;
        return layer => change?.Invoke(Attention(layer, rotation)) ?? Attention(layer, rotation);
    }

    /// <summary>Attention of which some layers look back through a window, <c>attention.sliding_window</c>.</summary>
    /// <param name="window">Positions where the file does not say; 0: no layer is windowed then; null: the file must say.</param>
    /// <param name="period">Of so many layers one sees everything, where the file does not say.</param>
    /// <param name="local">Rotates the windowed layers; null: they are not rotated.</param>
    /// <param name="global">Rotates the others, likewise.</param>
    /// <param name="change">What differs from the usual.</param>
    /// <param name="firstSeesAll">Whether it is the first of a period rather than the last.</param>
    public Func<int, SelfAttention> WindowedAttention(
        int? window, int period, Rotation? local, Rotation? global, Func<SelfAttention, SelfAttention>? change = null, bool firstSeesAll = false)
    {
        var found = Keys.Size("attention.sliding_window", int.MaxValue, window, least: 0);
        var isWindowed = Windowed(period, firstSeesAll);
        return layer =>
        {
            var isLocal = found > 0 && isWindowed(layer);
            var attention = Attention(layer, isLocal ? local : global);
            attention = change?.Invoke(attention) ?? attention;
            return isLocal ? attention.Within(found) : attention;
        };
    }

    /// <summary>The usual attention of one layer: causal, scaled by 1 / sqrt(head).</summary>
    public SelfAttention Attention(int layer, Rotation? rotation) => new(Sizes.Attention(layer)) { Rotation = rotation };

    /// <summary>The rotary embedding, with divisors of its frequencies where the file has them.</summary>
    /// <param name="layout">Which values rotate together in this architecture's files.</param>
    /// <remarks>
    /// LongRoPE (arXiv 2402.13753) has one set of divisors for the context of the first training, another for anything
    /// longer. Keys rotated by one do not go with queries rotated by the other, so the context that the cache may hold
    /// decides, not the text.
    /// </remarks>
    public Rotation Rotation(RopeLayout layout)
    {
        const string Short = "rope_factors_short.weight", Long = "rope_factors_long.weight";
        var hasLong = Has(Short) || Has(Long);
        var terms = Sizes.ReadRope(Keys, layout, hasLong);
        _alternatives.UnionWith([Short, Long]);
        if (!hasLong)
            return new Rotation(terms, Program.OptionalVector("rope_freqs.weight", terms.Dimensions / 2));
        var context = Limits.ContextLength > 0 ? Limits.ContextLength : Sizes.ContextLength;
        var original = Keys.Size("rope.scaling.original_context_length", int.MaxValue, Sizes.ContextLength);
        return new Rotation(terms, Program.Vector(context > original ? Long : Short, terms.Dimensions / 2));
    }

    /// <summary>The rotary embedding of windowed layers: with <c>rope.freq_base_swa</c>, where the file has it, and otherwise the given one.</summary>
    /// <param name="rotation">The other layers'.</param>
    /// <param name="otherwise">The base where the file has none; null: the other layers'.</param>
    public Rotation LocalRotation(Rotation rotation, float? otherwise = null)
        => rotation with { Terms = rotation.Terms with { Base = Keys.Number("rope.freq_base_swa", otherwise ?? rotation.Terms.Base, least: float.Epsilon) } };

    /// <summary>Which layers look back through a window, by <c>attention.sliding_window_pattern</c>.</summary>
    /// <param name="period">Of so many layers one sees everything; 0: none does. Where the file has no key.</param>
    /// <param name="firstSeesAll">Whether it is the first of them rather than the last.</param>
    /// <remarks>The key holds a period, or for every layer whether it is windowed.</remarks>
    public Func<int, bool> Windowed(int period, bool firstSeesAll = false)
    {
        const string Key = "attention.sliding_window_pattern";
        if (Keys.Flags(Key, Sizes.Layers) is { } flags)
            return layer => flags[layer];
        var found = Keys.Size(Key, int.MaxValue, period, least: 0);
        return layer => found == 0 || (firstSeesAll ? layer % found != 0 : layer % found < found - 1);
    }

    /// <summary>Refuses a file whose windowed layers have heads of another size than the others.</summary>
    /// <exception cref="UnsupportedModelException">They have.</exception>
    public void RequireOneHeadSize()
    {
        Keys.Same("attention.key_length_swa", Sizes.KeyWidth);
        Keys.Same("attention.value_length_swa", Sizes.ValueWidth);
        Keys.Same("rope.dimension_count_swa", Keys.Size("rope.dimension_count", Sizes.KeyWidth, Sizes.KeyWidth));
    }

    /// <summary>Says of a tensor's name whether it belongs to one of some layers.</summary>
    public Func<string, bool> IsOfLayer(Func<int, bool> layers) => name => Hyperparameters.LayerOf(name) is { } layer && layer < Sizes.Layers && layers(layer);

    /// <summary>A norm with tensors <c>NAME.weight</c> and <c>NAME.bias</c> of the input's width.</summary>
    public Value Norm(Value x, string name, Norm norm)
    {
        var weight = norm.IsWeighted ? Program.Vector(WeightName(name), x.Width) : null;
        return Norm(x, norm, weight, NormBias(name, norm, x.Width), x.Width);
    }

    /// <summary>A norm of queries or keys.</summary>
    /// <param name="x">[rows, heads * headWidth].</param>
    /// <param name="name">The tensor's name without <c>.weight</c>.</param>
    /// <param name="norm">Kind and shape.</param>
    /// <param name="headWidth">Values of a head.</param>
    public Value Norm(Value x, string name, QueryKeyNorm norm, int headWidth)
    {
        if (norm.Span == NormSpan.Row)
            return Norm(x, name, norm.Norm);
        var hasBias = norm.Norm.Bias == Presence.Required || (norm.Norm.Bias == Presence.Optional && Has(name + ".bias"));
        if (norm.Span == NormSpan.Head)
            return Norm(x, norm.Norm, norm.Norm.IsWeighted ? Program.Vector(WeightName(name), headWidth) : null, hasBias ? Program.Vector(name + ".bias", headWidth) : null, headWidth);
        var normed = Program.Multiply(Norm(x, norm.Norm, weight: null, bias: null, headWidth), Table(WeightName(name)));
        return hasBias ? Program.Add(normed, Table(name + ".bias")) : normed;

        Weight Table(string tensor) => Program.Table(tensor, headWidth, x.Width / headWidth);
    }

    /// <summary>Refuses a file that holds more than its program uses: what is left over would silently not be computed.</summary>
    /// <param name="ignored">Says of a tensor's name that the architecture has no use for it here; null: of none.</param>
    /// <param name="beside">A second program of the same file, an encoder's; null: there is none.</param>
    /// <exception cref="UnsupportedModelException">Tensors are left over; the message names some.</exception>
    public void RequireAllUsed(Func<string, bool>? ignored = null, ProgramBuilder? beside = null)
    {
        var used = Program.Weights.Concat(beside?.Weights ?? []).Select(w => w.Name)
            .Concat(Program.ComputedFrom).Concat(beside?.ComputedFrom ?? []).ToHashSet(StringComparer.Ordinal);
        var unused = _file.Tensors.Select(t => t.Name)
            .Where(n => !used.Contains(n) && !_alternatives.Contains(n) && !ProgramBuilder.IsInputScale(n) && ignored?.Invoke(n) != true).ToArray();
        if (unused.Length > 0)
        {
            var some = string.Join(", ", unused.Take(3).Select(n => $"'{n}'")) + (unused.Length > 3 ? " and others" : "");
            throw new UnsupportedModelException($"{_file.Path}: {unused.Length} tensors that {Sizes.Architecture} does not use ({some})", ["files whose tensors are all used"]);
        }
    }

    private Value Norm(Value x, Norm norm, Weight? weight, Weight? bias, int group)
    {
        var epsilon = norm.Epsilon ?? Keys.Number(norm.EpsilonKey, least: 0, most: 1);
        if (norm.IsLayerNorm)
            return Program.LayerNorm(x, weight, bias, epsilon, group);
        var normed = Program.RmsNorm(x, weight, epsilon, group);
        return bias is null ? normed : Program.Add(normed, bias);
    }

    private Weight? NormBias(string name, Norm norm, int size) => norm.Bias switch
    {
        Presence.None => null,
        Presence.Optional => Program.OptionalVector(name + ".bias", size),
        _ => Program.Vector(name + ".bias", size),
    };

    // A few exporters leave the suffix of norms out.
    private string WeightName(string name) => !Has(name + ".weight") && Has(name) ? name : name + ".weight";
}
