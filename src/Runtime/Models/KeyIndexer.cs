using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>DeepSeek-V3.2's lightning indexer (arXiv 2512.02556, section 2.1): few narrow heads that say which positions a row attends to.</summary>
/// <remarks>
/// The published code turns queries and keys by a Hadamard matrix, for the sake of 8-bit floats, and scales the scores by a
/// constant above 0: neither changes which ones are the best. GLM-5 lets layers use what the last one before them chose.
/// </remarks>
internal sealed class KeyIndexer
{
    // What the engine has kernels for; a choice of more positions than a context has is attention to all.
    private const int LargestWidth = 1024;
    private const int LargestHeads = 1 << 16;
    private const int LargestChoice = 1 << 20;

    private readonly int _heads;
    private readonly int _width; // of a head, the rotated values first
    private readonly int _chosen;
    private readonly Rotation _rotation;
    private readonly Norm _keyNorm;
    private readonly bool[]? _isOwn;
    private Value? _last;

    /// <summary>Reads it.</summary>
    /// <param name="model">The file.</param>
    /// <param name="rotation">Of queries and keys; as attention's, but for the layout.</param>
    /// <param name="keyEpsilon">Of the keys' norm where the file does not say.</param>
    /// <param name="shares">Whether a list of the file says which layers choose for themselves.</param>
    /// <exception cref="ModelFormatException">A key is missing or out of range.</exception>
    public KeyIndexer(ModelFile model, Rotation rotation, float keyEpsilon, bool shares)
    {
        _rotation = rotation;
        _heads = model.Keys.Size("attention.indexer.head_count", LargestHeads);
        _width = model.Keys.Size("attention.indexer.key_length", LargestWidth);
        _chosen = model.Keys.Size("attention.indexer.top_k", LargestChoice);
        _keyNorm = Norm.Layer with { Epsilon = model.Keys.Number(Norm.Layer.EpsilonKey, keyEpsilon, least: 0, most: 1) };
        _isOwn = shares ? model.Keys.Flags("attention.indexer.types", model.Sizes.Layers) : null;
        if (_rotation.Terms.Dimensions > _width)
            throw model.Keys.Wrong("attention.indexer.key_length", $"must be at least the {_rotation.Terms.Dimensions} values that are rotated, found {_width}");
        if (_isOwn is [false, ..])
            throw model.Keys.Wrong("attention.indexer.types", "must let the first layer choose for itself");
    }

    /// <summary>The positions that each row attends to; layers come in order.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width of the residual stream], normalized.</param>
    /// <param name="narrow">What the queries of attention are made of.</param>
    /// <returns>[rows, chosen].</returns>
    public Value Choose(Block block, Value x, Value narrow)
    {
        if (_last is not null && block.Layer > 0 && _isOwn?[block.Layer] == false)
            return _last;
        var queries = Rotate(block.Linear(narrow, "indexer.attn_q_b", _heads * _width));
        var keys = Rotate(block.Model.Norm(block.Linear(x, "indexer.attn_k", _width), block.Name("indexer.k_norm"), _keyNorm));
        return _last = block.Program.ChooseKeys(queries, keys, block.Linear(x, "indexer.proj", _heads), _chosen);

        Value Rotate(Value heads) => block.Program.Rope(heads, _width, _rotation.Terms, _rotation.Factors);
    }
}
