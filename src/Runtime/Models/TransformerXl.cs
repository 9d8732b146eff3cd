using System.Numerics.Tensors;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;
using Hearth.Runtime.Quantization;

namespace Hearth.Runtime.Models;

/// <summary>Transformer-XL: a decoder that reads text segment by segment, each attending to the segments before it through a memory.</summary>
/// <remarks>
/// Sources: Transformer-XL (arXiv 1901.02860), adaptive input (1809.10853), adaptive softmax (1609.04309). Keys and values
/// of the memory stay in the cache and are not computed again; a score is
/// <c>((q + u) k + (q + v) W_r R(distance)) / sqrt(d)</c>, the paper's equation after its section 3.3, with sinusoids R of
/// the distance, which is at most the clamp. The output is log-probabilities. Tensor names: docs/gguf.md.
/// </remarks>
internal sealed class TransformerXl
{
    private const int LongestSegment = 1 << 20;
    private const string RelativeWeight = ".attn_r.weight";

    // What the scores of all distances take must stay within reason, whatever a small file asks for.
    private const int MostDistances = 1 << 16;
    private const long LargestTable = 1L << 28;

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["transformer-xl"];

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly int _feedForward;
    private readonly float _epsilon;
    private readonly Recurrence _recurrence;
    private readonly int _distances;
    private readonly int[] _ends; // of the clusters of the vocabulary
    private readonly AttentionTerms _attention;

    private TransformerXl(GgufFile file, StepLimits limits)
    {
        _model = new ModelFile(file, limits);
        _program = _model.Program;
        _sizes = _model.Sizes;
        var keys = _model.Keys;
        _feedForward = _sizes.OneForAll(keys).FeedForward;
        _epsilon = keys.Number("attention.layer_norm_epsilon", least: 0, most: 1);
        _recurrence = new Recurrence(keys.Size("segment_length", LongestSegment), keys.Size("memory_length", LongestSegment, least: 0));

        // Distances from the clamp on are alike, so the last one that is told apart stands for them.
        var clamp = keys.Size("clamp_length", int.MaxValue, otherwise: -1, least: -1);
        var furthest = _recurrence.SegmentLength + _recurrence.MemoryLength - 1;
        _distances = 1 + (clamp > 0 ? Math.Min(clamp, furthest) : furthest);
        _ends = ReadClusters(keys);
        _attention = _sizes.Attention(0) with
        {
            Mask = AttentionMask.Chunked,
            Window = _recurrence.SegmentLength,
            ChunkMemory = _recurrence.MemoryLength,
        };
        if (_distances > MostDistances || (long)_distances * _attention.QueryWidth > LargestTable)
        {
            throw new UnsupportedModelException(
                $"{_distances} distances told apart by {_attention.Heads} heads of {_attention.KeyWidth}",
                [$"at most {Math.Min(MostDistances, LargestTable / _attention.QueryWidth)} (segment and memory, or the clamp and one)"]);
        }

        if (_sizes.Width % 2 != 0)
            throw keys.Wrong("embedding_length", $"must be even for sines and cosines, found {_sizes.Width}");
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        if (limits.Embedding is not null)
            throw new UnsupportedModelException("embeddings of a Transformer-XL", ["encoders", "decoders"]);
        var model = new TransformerXl(file, limits);
        var result = model.Forward();
        model._model.RequireAllUsed(name => Hyperparameters.LayerOf(name) < model._sizes.Layers && name.EndsWith(RelativeWeight, StringComparison.Ordinal));
        return model._program.Build(result, limits, recurrence: model._recurrence);
    }

    private Value Forward()
    {
        var x = Embed();
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var attended = Attention(layer, x);

            // Rows whose output nobody wants have done their part once their keys and values are in the cache.
            if (layer == _sizes.Layers - 1)
                (x, attended) = (_program.Gather(x), _program.Gather(attended));

            x = Norm(x + _program.Linear(attended, _program.Matrix($"blk.{layer}.attn_output.weight", attended.Width, _sizes.Width)), $"blk.{layer}.attn_output_norm");
            x = Norm(x + FeedForward(layer, x), $"blk.{layer}.layer_output_norm");
        }

        return LogProbabilities(x);
    }

    // Each cluster of the vocabulary has a table of its own width; a token is in one of them and zero in the others.
    private Value Embed()
    {
        Value? x = null;
        for (var cluster = 0; cluster < _ends.Length; cluster++)
        {
            var rows = _program.EmbedRange(Table(cluster), First(cluster), MathF.Sqrt(_sizes.Width));
            if (HasProjection("token_embd_proj", cluster))
                rows = _program.Linear(rows, _program.Matrix($"token_embd_proj.{cluster}.weight", rows.Width, _sizes.Width));
            x = x is null ? rows : x + rows;
        }

        return x!;
    }

    private Value Attention(int layer, Value x)
    {
        var prefix = $"blk.{layer}.attn_";
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(prefix + "q.weight", _sizes.Width, _attention.QueryWidth), null),
            (_program.Matrix(prefix + "k.weight", _sizes.Width, _attention.KeysWidth), null),
            (_program.Matrix(prefix + "v.weight", _sizes.Width, _attention.ValuesWidth), null));
        var (query, key, value) = (projected[0], projected[1], projected[2]);
        var byContent = _program.Add(query, _program.Vector(prefix + "content_bias", _attention.QueryWidth));
        var byPosition = _program.Scale(_program.Add(query, _program.Vector(prefix + "position_bias", _attention.QueryWidth)), _attention.Scale);
        var relative = _program.GroupedLinear(byPosition, RelativeKeys($"blk.{layer}{RelativeWeight}"));
        return _program.RelativeAttention(byContent, key, value, relative, layer, _attention);
    }

    private Value FeedForward(int layer, Value x)
    {
        var prefix = $"blk.{layer}.ffn_";
        var hidden = _program.Linear(x, _program.Matrix(prefix + "up.weight", _sizes.Width, _feedForward), _program.Vector(prefix + "up.bias", _feedForward), ActivationFunction.Relu);
        return _program.Linear(hidden, _program.Matrix(prefix + "down.weight", _feedForward, _sizes.Width), _program.Vector(prefix + "down.bias", _sizes.Width));
    }

    // The head tells the first cluster's tokens apart and names the other clusters; each of those has a softmax of its own.
    private Value LogProbabilities(Value x)
    {
        var shortlist = Logits(x, 0);
        if (_ends.Length == 1)
            return _program.LogSoftmax(shortlist);
        var tails = _ends.Length - 1;
        var clusters = _program.Linear(
            Project(x, 0), _program.Matrix("output_cluster.weight", TableWidth(0), tails), _program.Vector("output_cluster.bias", tails));
        var head = _program.LogSoftmax(_program.Concat(shortlist, clusters, groups: 1));
        var all = _program.Slice(head, 1, 0, _ends[0]);
        for (var cluster = 1; cluster <= tails; cluster++)
        {
            var name = _program.Slice(head, 1, _ends[0] + cluster - 1, 1);
            all = _program.Concat(all, _program.LogSoftmax(Logits(x, cluster)) + name, groups: 1);
        }

        return all;
    }

    private Value Logits(Value x, int cluster) => _program.Linear(Project(x, cluster), OutputTable(cluster), _program.Vector($"output.{cluster}.bias", Size(cluster)));

    private Value Project(Value x, int cluster)
        => HasProjection("output_proj", cluster) ? _program.Linear(x, _program.Matrix($"output_proj.{cluster}.weight", _sizes.Width, TableWidth(cluster))) : x;

    // Tables as wide as the model may do without; whatever is narrower cannot.
    private bool HasProjection(string name, int cluster) => TableWidth(cluster) != _sizes.Width || _model.Has($"{name}.{cluster}.weight");

    private Weight Table(int cluster) => _program.Matrix($"token_embd.{cluster}.weight", TableWidth(cluster), Size(cluster));

    private Weight OutputTable(int cluster)
        => _model.Has($"output.{cluster}.weight") ? _program.Matrix($"output.{cluster}.weight", TableWidth(cluster), Size(cluster)) : Table(cluster);

    private int TableWidth(int cluster) => (int)Math.Min(_model.Columns($"token_embd.{cluster}.weight"), Hyperparameters.LargestWidth);

    private int First(int cluster) => cluster == 0 ? 0 : _ends[cluster - 1];

    private int Size(int cluster) => _ends[cluster] - First(cluster);

    private Value Norm(Value x, string name)
        => _program.LayerNorm(x, _program.Vector(name + ".weight", _sizes.Width), _program.Vector(name + ".bias", _sizes.Width), _epsilon);

    // W_r R(distance) of every distance that is told apart, head by head: the same for every step, so computed once.
    private Weight RelativeKeys(string name)
    {
        var projection = _program.Tensor(name, _sizes.Width, _attention.QueryWidth);
        var (width, heads, headWidth, distances) = (_sizes.Width, _attention.Heads, _attention.KeyWidth, _distances);
        return _program.Computed(name + " by distance", headWidth, distances, heads, () =>
        {
            var rows = BlockConverter.ToSingle(projection);
            var keys = new float[heads * distances * headWidth];
            Parallel.For(0, distances, distance =>
            {
                var sinusoid = Sinusoids.Of(distance, width);
                for (var head = 0; head < heads; head++)
                {
                    for (var i = 0; i < headWidth; i++)
                        keys[(((head * distances) + distance) * headWidth) + i] = TensorPrimitives.Dot(rows.AsSpan(((head * headWidth) + i) * width, width), sinusoid);
                }
            });
            return keys;
        });
    }

    private static int[] ReadClusters(Hyperparameters.Keys keys)
    {
        var vocabulary = keys.Size("vocab_size", 1 << 28);
        int[] ends = [.. keys.Numbers("vocabulary_cutoffs"), vocabulary];
        for (var i = 0; i < ends.Length; i++)
        {
            if (ends[i] <= (i == 0 ? 0 : ends[i - 1]))
                throw keys.Wrong("vocabulary_cutoffs", $"must rise from above 0 to below the {vocabulary} tokens, found {string.Join(", ", ends[..^1])}");
        }

        return ends;
    }
}
