using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>BERT and its kin: encoders that normalize behind each part and see the whole text from every token.</summary>
/// <remarks>
/// Sources: BERT (arXiv 1810.04805), Nomic Embed (2402.01613: rotary positions, gated SiLU; the second version has
/// experts in every other layer, 2502.07972), Jina Embeddings 2 (2310.19923: ALiBi, gated GELU) and 3 (2409.10173: rotary
/// positions). Tensor names are GGUF's. A program ends in one vector a text.
/// </remarks>
internal sealed class Bert
{
    private enum Positions
    {
        Learned,
        Rotary,
        Alibi,
    }

    /// <summary>What sets the members of the family apart.</summary>
    /// <param name="Positions">How a token's place is known.</param>
    /// <param name="Gate">The gate's function where the feed-forward has one.</param>
    private sealed record Member(Positions Positions, ActivationFunction Gate = ActivationFunction.GeluTanh);

    private static readonly Dictionary<string, Member> _members = new()
    {
        ["bert"] = new(Positions.Learned),
        ["nomic-bert"] = new(Positions.Rotary, ActivationFunction.Silu),
        ["nomic-bert-moe"] = new(Positions.Rotary),
        ["jina-bert-v2"] = new(Positions.Alibi),
        ["jina-bert-v3"] = new(Positions.Rotary),
    };

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => _members.Keys;

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly Member _member;
    private readonly RopeTerms _rope;
    private readonly AttentionTerms _attention;
    private readonly int _expertPeriod;
    private readonly int _feedForward;
    private readonly float _epsilon;

    private Bert(GgufFile file, StepLimits limits)
    {
        _model = new ModelFile(file, limits);
        _program = _model.Program;
        _sizes = _model.Sizes;
        _member = _members[_sizes.Architecture];
        var keys = _model.Keys;
        _feedForward = _sizes.OneForAll(keys).FeedForward;
        _epsilon = keys.Number("attention.layer_norm_epsilon", least: 0, most: 1);
        _rope = _sizes.ReadRope(keys, RopeLayout.Halves);
        _expertPeriod = keys.Size("moe_every_n_layers", Hyperparameters.MostLayers, otherwise: 0, least: 0);
        _attention = _sizes.Attention(0) with
        {
            Mask = AttentionMask.Bidirectional,
            AlibiBias = _member.Positions == Positions.Alibi ? 8 : 0,
        };
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new Bert(file, limits);
        var pooling = Pooling.Read(file.Metadata, limits.Embedding?.Pooling, PoolingKind.Mean);
        var pooled = model._program.Pool(model.Encode(), pooling);
        var result = pooling == PoolingKind.Rank ? model.Classify(pooled) : pooled;
        return model._program.Build(result, limits, pooling: pooling);
    }

    private Value Encode()
    {
        var x = _program.Embed(_program.Matrix("token_embd.weight", _sizes.Width));
        if (_model.Has("token_types.weight"))
            x += _program.EmbedFirst(_program.Matrix("token_types.weight", _sizes.Width));
        if (_member.Positions == Positions.Learned)
            x += _program.EmbedPosition(_program.Matrix("position_embd.weight", _sizes.Width, _sizes.ContextLength));
        x = Norm(x, "token_embd_norm");
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var attended = Norm(x + Linear(Attention(layer, x), $"blk.{layer}.attn_output", _sizes.Width), $"blk.{layer}.attn_output_norm");
            if (_model.Has($"blk.{layer}.attn_norm_2.weight"))
                attended = Norm(attended + x, $"blk.{layer}.attn_norm_2");
            x = Norm(attended + FeedForward(layer, attended), $"blk.{layer}.layer_output_norm");
        }

        return x;
    }

    private Value Attention(int layer, Value x)
    {
        var prefix = $"blk.{layer}.attn_";
        var (query, key, value) = Project(prefix, x);
        if (_model.Has(prefix + "q_norm.weight"))
            query = Norm(query, prefix + "q_norm");
        if (_model.Has(prefix + "k_norm.weight"))
            key = Norm(key, prefix + "k_norm");
        if (_member.Positions == Positions.Rotary)
        {
            query = _program.Rope(query, _sizes.KeyWidth, _rope);
            key = _program.Rope(key, _sizes.KeyWidth, _rope);
        }

        return _program.RowAttention(query, key, value, _attention);
    }

    // Some files hold query, key and value as one matrix, one below the other.
    private (Value Query, Value Key, Value Value) Project(string prefix, Value x)
    {
        var fused = _model.Has(prefix + "qkv.weight");
        var hasBias = _model.Has(prefix + "qkv.bias");
        var total = _attention.QueryWidth + _attention.KeysWidth + _attention.ValuesWidth;
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            Part("q", 0, _attention.QueryWidth),
            Part("k", _attention.QueryWidth, _attention.KeysWidth),
            Part("v", _attention.QueryWidth + _attention.KeysWidth, _attention.ValuesWidth));
        return (projected[0], projected[1], projected[2]);

        (Weight Weight, Weight? Bias) Part(string name, int first, int rows) => fused
            ? (_program.MatrixRows(prefix + "qkv.weight", _sizes.Width, first, rows, total), hasBias ? _program.VectorPart(prefix + "qkv.bias", first, rows, total) : null)
            : (_program.Matrix($"{prefix}{name}.weight", _sizes.Width, rows), _program.OptionalVector($"{prefix}{name}.bias", rows));
    }

    private Value FeedForward(int layer, Value x)
    {
        var prefix = $"blk.{layer}.ffn_";
        var size = _feedForward;
        if (_expertPeriod > 0 && layer % _expertPeriod == 1 % _expertPeriod)
            return Experts(prefix, x);
        var gateName = prefix + "gate.weight";
        Value hidden;
        if (_model.Has(gateName))
        {
            var both = _program.Linear(x, ActivationFunction.None, (_program.Matrix(gateName, _sizes.Width, size), null), Biased("up", size));
            hidden = _program.Activate(_member.Gate, both[0], both[1]);
        }
        else if (_model.Rows(prefix + "up.weight") == 2L * size)
        {
            // Gate and up as one matrix, the gate's rows first.
            var both = Linear(x, prefix + "up", 2 * size);
            hidden = _program.Activate(_member.Gate, _program.Slice(both, 1, 0, size), _program.Slice(both, 1, size, size));
        }
        else
        {
            hidden = _program.Linear(x, ActivationFunction.GeluTanh, Biased("up", size))[0];
        }

        return Linear(hidden, prefix + "down", _sizes.Width);

        (Weight Weight, Weight? Bias) Biased(string name, int rows)
            => (_program.Matrix($"{prefix}{name}.weight", _sizes.Width, rows), _program.OptionalVector($"{prefix}{name}.bias", rows));
    }

    // Experts without a gate, weighted by the softmax over all of them.
    private Value Experts(string prefix, Value x)
    {
        var keys = _model.Keys;
        var count = keys.Size("expert_count", Hyperparameters.MostExperts);
        var terms = new RouterTerms
        {
            Chosen = keys.Size("expert_used_count", count),
            Gating = ExpertGating.Softmax,
            Scale = keys.Number("expert_weights_scale", 1) is var scale and not 0 ? scale : 1,
        };
        var (weights, experts) = _program.Route(_program.Linear(x, _program.Matrix(prefix + "gate_inp.weight", _sizes.Width, count)), terms);
        var up = _program.ExpertLinear(x, experts, (_program.Stack(prefix + "up_exps.weight", _sizes.Width, _feedForward, count), null))[0];
        var down = _program.ExpertLinear(
            _program.Activate(ActivationFunction.GeluTanh, up),
            experts,
            (_program.Stack(prefix + "down_exps.weight", _feedForward, _sizes.Width, count), null))[0];
        return _program.ExpertSum(down, weights);
    }

    // tanh(dense(x)) before the classes where the file has a dense layer (RoBERTa's head), else the classes alone.
    private Value Classify(Value pooled)
    {
        var dense = _model.Has("cls.weight");
        if (!dense && !_model.Has("cls.output.weight"))
            throw _model.Wrong("the file says that it ranks but has no head: neither 'cls.weight' nor 'cls.output.weight'");
        var x = dense ? _program.Activate(ActivationFunction.Tanh, Head(pooled, "cls")) : pooled;
        return !_model.Has("cls.output.weight") ? x : Head(x, "cls.output");
    }

    private Value Head(Value x, string name)
    {
        var weight = _program.Matrix(name + ".weight", x.Width);
        return _program.Linear(x, weight, _program.OptionalVector(name + ".bias", (int)weight.Rows));
    }

    private Value Linear(Value x, string name, int outputs)
        => _program.Linear(x, _program.Matrix(name + ".weight", x.Width, outputs), _program.OptionalVector(name + ".bias", outputs));

    private Value Norm(Value x, string name)
        => _program.LayerNorm(x, _program.Vector(name + ".weight", x.Width), _program.Vector(name + ".bias", x.Width), _epsilon);
}
