using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>The sizes of a mixture of experts, read from GGUF's <c>{architecture}.expert_*</c> keys and checked once.</summary>
internal sealed class ExpertSizes
{
    // Twice what the largest models have; times the largest width it is still a 32-bit number.
    private const int MostExperts = 1 << 10;

    // Weights are divided by their sum; the least normal number of half precision stands in for a sum of nothing.
    private const float LeastSum = 6.103515625e-5f;

    private readonly Hyperparameters.Keys _keys;
    private readonly int _groups;
    private readonly int _groupsUsed;

    /// <summary>Reads them.</summary>
    /// <exception cref="ModelFormatException">A key is missing, or its number does not go with the others.</exception>
    public ExpertSizes(ModelFile model)
    {
        _keys = model.Keys;
        Count = _keys.Size("expert_count", MostExperts);
        Used = _keys.Size("expert_used_count", Count);
        _groups = _keys.Size("expert_group_count", MostExperts, otherwise: 0, least: 0);
        _groupsUsed = _groups > 1 ? _keys.Size("expert_group_used_count", _groups) : 0;
        if (_groups > 1)
            CheckGroups();
        Layer = model.Sizes.Of(0).FeedForward;
        LeadingDense = _keys.Size("leading_dense_block_count", int.MaxValue, otherwise: 0, least: 0);
    }

    /// <summary>Experts of a layer.</summary>
    public int Count { get; }

    /// <summary>Experts that a row meets.</summary>
    public int Used { get; }

    /// <summary>feed_forward_length, which in some families is an expert's width; 0: no such key.</summary>
    public int Layer { get; }

    /// <summary>How many layers at the front are dense.</summary>
    public int LeadingDense { get; }

    /// <summary>The width inside an expert.</summary>
    public int Expert => Width("expert_feed_forward_length");

    /// <summary>The width inside the expert that every row meets.</summary>
    public int Shared => Width("expert_shared_feed_forward_length");

    /// <summary>How many experts every row meets; they are stored as one.</summary>
    public int SharedCount => _keys.Size("expert_shared_count", MostExperts);

    /// <summary>Whether the chosen weights are divided by their sum.</summary>
    public bool Normalizes => _keys.Flag("expert_weights_norm", otherwise: false);

    /// <summary>Factor of the weights; 0, which exporters write for none, is 1.</summary>
    public float Scale => _keys.Number("expert_weights_scale", 0) is not 0 and var scale ? scale : 1;

    /// <summary>Whether a file has experts at all.</summary>
    public static bool Any(ModelFile model) => model.Keys.Size("expert_count", MostExperts, otherwise: 0, least: 0) > 0;

    /// <summary><see cref="Expert"/>, or another width where the file has no such key.</summary>
    public int ExpertOr(int width) => _keys.Size("expert_feed_forward_length", Hyperparameters.LargestWidth, width, least: 0) is > 0 and var found ? found : width;

    /// <summary><see cref="Shared"/>, or another width where the file has no such key.</summary>
    public int SharedOr(int width) => _keys.Size("expert_shared_feed_forward_length", Hyperparameters.LargestWidth, width, least: 0) is > 0 and var found ? found : width;

    /// <summary><see cref="SharedCount"/>, or another number where the file has no such key.</summary>
    public int SharedCountOr(int count) => _keys.Size("expert_shared_count", MostExperts, count, least: 0);

    /// <summary>How scores become weights; 0, which exporters write for none, is as no key.</summary>
    /// <param name="otherwise">Where the file has no key; null: it must.</param>
    /// <exception cref="UnsupportedModelException">The function is not built in.</exception>
    public ExpertGating Gating(ExpertGating? otherwise = null)
    {
        const string Key = "expert_gating_func";
        var number = _keys.Size(Key, int.MaxValue, otherwise: 0, least: 0);
        return number switch
        {
            0 => otherwise ?? throw _keys.Wrong(Key, "is missing"),
            <= (int)ExpertGating.SoftmaxOfChosen => (ExpertGating)number,
            _ => throw new UnsupportedModelException($"'{_keys.Name(Key)}' {number}", Enum.GetValues<ExpertGating>().Select(g => $"{(int)g} ({g})")),
        };
    }

    /// <summary>A router's terms.</summary>
    /// <param name="gating">How scores become weights.</param>
    /// <param name="normalizes">Whether the chosen weights are divided by their sum.</param>
    /// <param name="scale">Factor of the weights.</param>
    public RouterTerms Router(ExpertGating gating, bool normalizes, float scale = 1) => new()
    {
        Chosen = Used,
        Gating = gating,
        Groups = _groups,
        ChosenGroups = _groupsUsed,
        Normalize = normalizes,
        LeastSum = LeastSum,
        Scale = scale,
    };

    /// <summary>Experts of a width of their own, weighted as the file's keys say, chosen with a bias where it has one.</summary>
    /// <param name="gating">How scores become weights where the file does not say; null: it must.</param>
    public ExpertFeedForward ByKeys(ExpertGating? gating = null)
        => new(this, Router(Gating(gating), Normalizes, Scale)) { Width = Expert, ChoiceBias = Presence.Optional };

    /// <summary>Experts behind <see cref="LeadingDense"/> layers that have none.</summary>
    public Func<int, FeedForwardPart?> BehindDense(FeedForwardPart experts) => layer => layer < LeadingDense ? GatedFeedForward.Silu : experts;

    private int Width(string key) => _keys.Size(key, Hyperparameters.LargestWidth);

    private void CheckGroups()
    {
        // A group is scored by its two best experts.
        if (Count % _groups != 0 || Count / _groups < 2)
            throw _keys.Wrong("expert_group_count", $"must divide the {Count} experts into groups of two or more, found {_groups}");
        var usable = Count / _groups * _groupsUsed;
        if (Used > usable)
            throw _keys.Wrong("expert_used_count", $"must be 1 to the {usable} experts of {_groupsUsed} groups, found {Used}");
    }
}
