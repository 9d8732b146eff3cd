using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 3n: four residual streams of which layers compute one and predict the others, low-rank residuals, sparse gates, an embedding for each layer.</summary>
/// <remarks>
/// Sources: Gemma 3n (model card, 2025), AltUp (arXiv 2301.13310), LAuReL (2411.07501). Files say none of the numbers below.
/// </remarks>
internal sealed class Gemma3n
{
    private const int Streams = 4;
    private const int PerLayerWidth = 256;
    private const int LowRank = 64;

    // Layers that write keys and values of their own; those behind them read the last of these.
    private const int Writers = 20;

    // Of the first layers' gates only what lies so many deviations above the mean goes on: one value in twenty.
    private const int SparseLayers = 10;
    private const float SparseDeviations = 1.6448533535003662f;
    private const float LogitCap = 30;

    // Keeps the length of a row of nothing from being divided by.
    private const float LeastSquare = 1e-30f;

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly int _width;
    private readonly DecoderDescription _description;
    private readonly PerLayerEmbedding _perLayer = new(PerLayerWidth);

    private Gemma3n(ModelFile model)
    {
        _model = model;
        _program = model.Program;
        _width = model.Sizes.Width;
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = model.LocalRotation(new Rotation(rotation.Terms with { FrequencyScale = 1 }, rotation.Factors), otherwise: 10000);
        var window = model.Keys.Size("attention.sliding_window", int.MaxValue);
        var isLocal = model.Windowed(period: 5);
        _description = new DecoderDescription
        {
            Attention = layer =>
            {
                var terms = model.Sizes.Attention(layer) with { Scale = 1, Window = isLocal(layer) ? window : 0 };
                return new SharedKeyAttention(terms, isLocal(layer) ? local : rotation, SharedKeyAttention.SourceOf(layer, Writers, isLocal(layer)));
            },
        };
    }

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["gemma3n"];

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new ModelFile(file, limits);
        var result = new Gemma3n(model).Forward();
        model.RequireAllUsed(name => Hyperparameters.LayerOf(name) >= Writers && (name.Contains(".attn_k", StringComparison.Ordinal) || name.Contains(".attn_v", StringComparison.Ordinal)));
        return model.Program.Build(result, limits);
    }

    private Value Forward()
    {
        var embedding = _program.Matrix("token_embd.weight", _width);
        var x = _program.Embed(embedding, MathF.Sqrt(_width));
        var prepared = _perLayer.Prepare(_model, x)!;
        Value[] streams = [x, .. Enumerable.Range(0, Streams - 1).Select(i => Projected(x, "altup_proj.weight", i, x))];
        for (var layer = 0; layer < _model.Sizes.Layers; layer++)
            streams = Layer(new Block(_model, _description, layer), streams, prepared);

        // The mean of all streams, each as long as the first.
        streams = [.. streams.Select(_program.Gather)];
        var sum = streams[0];
        for (var i = 1; i < Streams; i++)
            sum += Projected(streams[i], "altup_unembd_proj.weight", i - 1, streams[0]);
        var normed = _model.Norm(_program.Scale(sum, 1f / Streams), "output_norm", Norm.Rms);
        var output = _model.Has("output.weight") ? _program.Matrix("output.weight", _width, checked((int)embedding.Rows)) : embedding;
        return _program.Softcap(_program.Linear(normed, output), LogitCap);
    }

    private Value[] Layer(Block block, Value[] streams, Value prepared)
    {
        var predicted = Predict(block, streams);
        var computed = Compute(block, predicted[0]);
        var corrected = Correct(block, predicted, computed);
        var gated = _perLayer.Gated(block, _program.Multiply(corrected[0], _program.Vector(block.Name("altup_correct_scale.weight"), _width)), prepared);
        return [corrected[0], .. corrected.Skip(1).Select(s => s + gated)];
    }

    // Each stream and a mixture of all, whose coefficients the first decides.
    private Value[] Predict(Block block, Value[] streams)
    {
        var coefficients = block.Linear(Modalities(block, streams[0]), "altup_predict_coef", Streams * Streams);
        var all = streams.Skip(1).Aggregate(streams[0], (joined, stream) => _program.Concat(joined, stream, groups: 1));
        return [.. streams.Select((stream, i) => stream + _program.ExpertSum(all, _program.Slice(coefficients, 1, i * Streams, Streams)))];
    }

    // What the layer's computation added to the first stream's prediction, shared out among all.
    private Value[] Correct(Block block, Value[] predicted, Value computed)
    {
        var coefficients = _program.Scale(block.Linear(Modalities(block, computed), "altup_correct_coef", Streams), 1, 1);
        var innovation = computed + _program.Scale(predicted[0], -1);
        return [.. predicted.Select((stream, i) => stream + _program.Multiply(innovation, _program.Slice(coefficients, 1, i, 1)))];
    }

    private Value Modalities(Block block, Value x)
        => block.Linear(_program.Scale(block.Norm(x, "altup_router_norm"), 1f / _width), "altup_router", Streams, ActivationFunction.Tanh);

    // A decoder's layer, with a low-rank residual beside attention.
    private Value Compute(Block block, Value x)
    {
        var normed = block.Norm(x, "attn_norm");
        var lowRank = normed + block.Norm(block.Linear(block.Linear(normed, "laurel_l", LowRank), "laurel_r", _width), "laurel_post_norm");
        var attention = _description.Attention(block.Layer)!;
        var attended = x + block.Norm(attention.Project(block, attention.Attend(block, normed)), "post_attention_norm");
        var sum = _program.Scale(attended + lowRank, 1 / MathF.Sqrt(2));
        return sum + block.Norm(FeedForward(block, block.Norm(sum, "ffn_norm")), "post_ffw_norm");
    }

    private Value FeedForward(Block block, Value x)
    {
        var width = block.Sizes.FeedForward;
        var hidden = block.Linears(x, ("ffn_gate", width), ("ffn_up", width));
        var gate = block.Layer < SparseLayers ? Sparse(hidden[0]) : hidden[0];
        return block.Linear(_program.Activate(ActivationFunction.GeluTanh, gate, hidden[1]), "ffn_down", _width);
    }

    // max(x - mean - SparseDeviations * deviation, 0), the deviation that of a sample. In units of the deviation it is
    // bounded, and the deviation itself is the mean of x times x in those units.
    private Value Sparse(Value x)
    {
        float width = x.Width;
        var units = _program.LayerNorm(x, null, null, LeastSquare);
        var deviation = _program.Scale(_program.ExpertSum(x, units), 1 / width);
        var cut = _program.Scale(units, 1, -SparseDeviations * MathF.Sqrt(width / (width - 1)));
        return _program.Multiply(_program.Activate(ActivationFunction.Relu, cut), deviation);
    }

    // A product that is made as long as another row.
    private Value Projected(Value x, string name, int index, Value asLong)
    {
        var unit = _program.RmsNorm(_program.Linear(x, _program.StackPart(name, _width, _width, index, Streams - 1)), null, LeastSquare);
        var length = _program.Scale(_program.ExpertSum(asLong, _program.RmsNorm(asLong, null, LeastSquare)), 1f / _width);
        return _program.Multiply(unit, length);
    }
}
