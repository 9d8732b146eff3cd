using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 3n: four residual streams of which one goes through each layer and tells the others, a low-rank path beside attention, gates of which only the highest values stay.</summary>
/// <remarks>
/// Sources: AltUp (arXiv 2301.13310), LAuReL (2411.07501), Spark Transformer (2506.06644: the cut by mean and deviation), the
/// model card of Gemma 3n. The constants below are the same in all sizes and are not in the file.
/// </remarks>
internal sealed class Gemma3n
{
    private const int Streams = 4;
    private const int LayersWithKeys = 20;
    private const int SparseLayers = 10;
    private const int EmbeddingWidth = 256;
    private const float LogitCap = 30;

    // The standard normal distribution's 95th percentile: one value of a gate in twenty stays.
    private const float Percentile = 1.6448533535f;

    // Keeps the length of a row of zeros from dividing by zero.
    private const float Least = 1e-30f;

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly Func<int, AttentionPart> _attention;
    private readonly LayerEmbeddings _embeddings = new(EmbeddingWidth);
    private readonly int _width;

    private Gemma3n(ModelFile model)
    {
        (_model, _program, _width) = (model, model.Program, model.Sizes.Width);
        _attention = Attention(model);
    }

    /// <summary>Writes the program of a file.</summary>
    /// <param name="file">Open until the program is compiled.</param>
    /// <param name="limits">The most that will be asked of the program.</param>
    /// <exception cref="ModelFormatException">A key or tensor is missing, or not what it must be.</exception>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new ModelFile(file, limits);
        var result = new Gemma3n(model).Forward();
        model.RequireAllUsed(SharingAttention.IsIdle(model, LayersWithKeys));
        return model.Program.Build(result, limits);
    }

    private static Func<int, AttentionPart> Attention(ModelFile model)
    {
        var global = model.Rotation(RopeLayout.Halves);
        var local = model.LocalRotation(global with { Terms = global.Terms with { FrequencyScale = 1 } }, otherwise: 10000);
        var window = model.Keys.Size("attention.sliding_window", int.MaxValue);
        var isWindowed = model.Windowed(period: 5);
        return layer =>
        {
            var isLocal = isWindowed(layer);
            var terms = model.Sizes.Attention(layer) with { Scale = 1, Window = isLocal ? window : 0 };
            return new SharingAttention(terms, isLocal ? local : global) { Shares = layer < LayersWithKeys ? null : LayersWithKeys - (isLocal ? 2 : 1) };
        };
    }

    private Value Forward()
    {
        var table = _program.Matrix("token_embd.weight", _width);
        var start = _program.Embed(table, MathF.Sqrt(_width));
        var embeddings = _embeddings.Prepare(_model, start);
        var description = new DecoderDescription { Attention = _attention };
        var streams = Split(start);
        for (var layer = 0; layer < _model.Sizes.Layers; layer++)
            streams = Layer(new Block(_model, description, layer), streams, embeddings);

        var x = _model.Norm(_program.Gather(Merge(streams)), "output_norm", Norm.Rms);
        var vocabulary = checked((int)table.Rows);
        return _program.Softcap(_program.Linear(x, _model.Has("output.weight") ? _program.Matrix("output.weight", _width, vocabulary) : table), LogitCap);
    }

    private Value[] Layer(Block block, Value[] streams, Value embeddings)
    {
        var predicted = Predict(block, streams);
        var active = predicted[0];
        var normed = block.Norm(active, "attn_norm");
        var attention = _attention(block.Layer);
        var attended = active + block.Norm(attention.Project(block, attention.Attend(block, normed)), "post_attention_norm");
        var x = _program.Scale(attended + LowRank(block, normed), 1 / MathF.Sqrt(2));
        x += block.Norm(FeedForward(block, block.Norm(x, "ffn_norm")), "post_ffw_norm");

        var corrected = Correct(block, predicted, x);
        var scaled = _program.Multiply(corrected[0], _program.Vector(block.Name("altup_correct_scale.weight"), _width));
        var embedding = _embeddings.Write(block, scaled, embeddings);
        for (var stream = 1; stream < Streams; stream++)
            corrected[stream] += embedding;
        return corrected;
    }

    private Value LowRank(Block block, Value x)
    {
        var rank = checked((int)_model.Rows(block.Name("laurel_l.weight")));
        return x + block.Norm(block.Linear(block.Linear(x, "laurel_l", rank), "laurel_r", _width), "laurel_post_norm");
    }

    private Value FeedForward(Block block, Value x)
    {
        var width = block.Sizes.FeedForward > 1 ? block.Sizes.FeedForward : throw _model.Keys.Wrong("feed_forward_length", $"must be at least 2 for layer {block.Layer}");
        var parts = block.Linears(x, ("ffn_gate", width), ("ffn_up", width));
        var gate = block.Layer < SparseLayers ? Highest(parts[0]) : parts[0];
        return block.Linear(_program.Activate(ActivationFunction.GeluTanh, gate, parts[1]), "ffn_down", _width);
    }

    // max(x - mean - percentile * deviation, 0), the deviation with one degree of freedom less.
    private Value Highest(Value x)
    {
        float count = x.Width;
        var normal = _program.LayerNorm(x, null, null, Least);
        var deviation = _program.Scale(_program.ExpertSum(x, normal), 1 / count);
        var cut = Percentile * MathF.Sqrt(count / (count - 1));
        return _program.Multiply(_program.Activate(ActivationFunction.Relu, _program.Scale(normal, 1, -cut)), deviation);
    }

    // ---- The streams

    private Value[] Split(Value x)
    {
        var copies = _program.GroupedLinear(Join([x, x, x]), _program.Stack("altup_proj.weight", _width, _width, Streams - 1));
        return [x, .. Enumerable.Range(0, Streams - 1).Select(i => AsLongAs(Part(copies, i), x))];
    }

    private Value Merge(Value[] streams)
    {
        var copies = _program.GroupedLinear(Join(streams[1..]), _program.Stack("altup_unembd_proj.weight", _width, _width, Streams - 1));
        var sum = streams[0];
        for (var i = 0; i < Streams - 1; i++)
            sum += AsLongAs(Part(copies, i), streams[0]);
        return _program.Scale(sum, 1f / Streams);
    }

    // Each stream, and a sum of all with weights that the first one chooses.
    private Value[] Predict(Block block, Value[] streams)
    {
        var weights = block.Linear(Modes(block, streams[0]), "altup_predict_coef", Streams * Streams);
        var all = Join(streams);
        return [.. streams.Select((s, i) => s + _program.ExpertSum(all, _program.Slice(weights, 1, i * Streams, Streams)))];
    }

    // Each prediction, and what the layer changed of the first one's, times a weight.
    private Value[] Correct(Block block, Value[] predicted, Value x)
    {
        var weights = _program.Scale(block.Linear(Modes(block, x), "altup_correct_coef", Streams), 1, 1);
        var change = x + _program.Scale(predicted[0], -1);
        return [.. predicted.Select((p, i) => p + _program.Multiply(change, _program.Slice(weights, 1, i, 1)))];
    }

    private Value Modes(Block block, Value x)
        => block.Linear(_program.Scale(block.Norm(x, "altup_router_norm"), 1f / _width), "altup_router", Streams, ActivationFunction.Tanh);

    // x with the length of another row: a row times itself over its root mean square sums to width times that.
    private Value AsLongAs(Value x, Value other)
    {
        var length = _program.Scale(_program.ExpertSum(other, _program.RmsNorm(other, null, Least)), 1f / _width);
        return _program.Multiply(_program.RmsNorm(x, null, Least), length);
    }

    private Value Join(Value[] rows) => rows.Aggregate((left, right) => _program.Concat(left, right, groups: 1));

    private Value Part(Value x, int part) => _program.Slice(x, 1, part * _width, _width);
}
