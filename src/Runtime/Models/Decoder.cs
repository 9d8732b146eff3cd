using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Writes the program of a decoder-only transformer from its description; of an encoder, too, which is one that sees ahead and has no head.</summary>
/// <remarks>
/// Read top to bottom it is the decoder of "Attention Is All You Need" (arXiv 1706.03762) as GPT-2 and Llama shaped it:
/// embedding, layers of attention and feed-forward around a residual stream, norm, output head. What an architecture does
/// otherwise is a property of its <see cref="DecoderDescription"/>.
/// </remarks>
internal sealed class Decoder
{
    private readonly ModelFile _model;
    private readonly DecoderDescription _description;
    private readonly ProgramBuilder _program;
    private readonly int _width;
    private readonly PoolingKind? _pooling;
    private readonly RankingTerms? _ranking;

    private Decoder(ModelFile model, DecoderDescription description)
    {
        _ranking = description.Ranking ?? (description.Head == HeadWeights.None ? RankingTerms.OfFirstToken : null);
        _pooling = PooledHead.Kind(model, isEncoder: description.Head == HeadWeights.None, ranks: _ranking is not null);
        if (_pooling != PoolingKind.Rank)
            _ranking = null;
        _model = model;
        _description = description;
        _program = model.Program;
        _width = model.Sizes.Width;
    }

    /// <summary>Writes the program of a file.</summary>
    /// <param name="file">Open until the program is compiled.</param>
    /// <param name="limits">The most that will be asked of the program.</param>
    /// <param name="describe">Describes the file's architecture.</param>
    /// <exception cref="ModelFormatException">A key or tensor is missing, or not what it must be.</exception>
    /// <exception cref="UnsupportedModelException">The file asks for something that is not built in.</exception>
    public static ModelProgram Build(GgufFile file, StepLimits limits, Func<ModelFile, DecoderDescription> describe)
    {
        var model = new ModelFile(file, limits);
        var description = describe(model);
        var decoder = new Decoder(model, description);
        var result = decoder.Forward();
        model.RequireAllUsed(name => description.Ignores?.Invoke(name) == true || model.Sizes.IsBeyond(name) || PooledHead.Ignores(name, decoder._pooling, limits.FillsMasks));
        return model.Program.Build(result, limits, pooling: decoder._pooling, ranking: decoder._ranking);
    }

    private Value Forward()
    {
        var embedding = Embedding();
        var x = Embed(embedding);
        var prepared = _description.Ending?.Prepare(_model, x);
        for (var loop = 1; loop <= _description.Loops; loop++)
        {
            for (var layer = 0; layer < _model.Sizes.Layers; layer++)
                x = Layer(new Block(_model, _description, layer), x, prepared, loop == _description.Loops && layer == _model.Sizes.Layers - 1);
            if (loop < _description.Loops && _description.NormalizesLoops)
                x = Norm(x, _description.OutputNorm);
        }

        if (_pooling is null && _description.FeedForwardSeesRows)
            x = _program.Gather(x);
        x = Norm(x, _description.OutputNorm);
        if (_pooling is { } pooling)
            return PooledHead.Write(_model, x, pooling, _ranking);
        return _model.Limits.FillsMasks ? MaskHead.Write(_model, x, embedding, _description.Norm) : Logits(x, embedding);
    }

    private Weight Embedding()
    {
        const string Name = "token_embd.weight";
        return _program.Matrix(_description.EmbedsByHead && !_model.Has(Name) ? "output.weight" : Name, _width);
    }

    private Value Embed(Weight embedding)
    {
        var x = _program.Embed(embedding, _description.EmbeddingScale);
        const string Positions = "position_embd.weight";
        if (_description.Positions == Presence.Required || (_description.Positions == Presence.Optional && _model.Has(Positions)))
            x += _program.EmbedPosition(_program.Matrix(Positions, _width, _model.Sizes.ContextLength));
        if (_description.AddsTokenType && _model.Has("token_types.weight"))
            x += _program.EmbedFirst(_program.Matrix("token_types.weight", _width));
        return _description.NormalizesEmbedding ? Norm(x, "token_embd_norm") : x;
    }

    private Value Layer(Block block, Value x, Value? prepared, bool isLast)
    {
        var attention = _description.Attention(block.Layer);
        var normed = attention is null || (block.Layer == 0 && !_description.NormalizesFirstLayer) ? x : Norm(block, x, _description.AttentionNorm);
        var attended = attention?.Attend(block, normed);

        // Rows whose logits nobody wants have done their part once their keys and values are in the cache.
        if (isLast && _pooling is null && !_description.FeedForwardSeesRows)
        {
            (x, attended) = (_program.Gather(x), attended is null ? null : _program.Gather(attended));
            if (_description.IsParallel)
                normed = _program.Gather(normed);
            prepared = prepared is null ? null : _program.Gather(prepared);
        }

        block.Input = x;
        var sum = x;
        if (attended is not null)
            sum = Norm(block, Add(block, sum, attention!.Project(block, attended), _description.AttentionPostNorm), _description.AttentionSumNorm);
        if (_description.InputSumNorm is { } inputSum && block.Has(inputSum + ".weight"))
            sum = block.Norm(sum + x, inputSum);
        if (_description.FeedForward(block.Layer) is { } feedForward)
        {
            var input = (_description.IsParallel, _description.FeedForwardNorm) switch
            {
                (true, null) => normed,
                (true, var name) => block.Norm(x, name),
                (false, var name) => Norm(block, sum, name),
            };
            sum = Norm(block, Add(block, sum, feedForward.Write(block, input), _description.FeedForwardPostNorm), _description.FeedForwardSumNorm);
        }

        return prepared is null ? sum : _description.Ending!.End(block, sum, prepared);
    }

    // The residual stream with what a part adds to it.
    private Value Add(Block block, Value stream, Value part, string? postNorm)
    {
        part = Norm(block, part, postNorm);
        return stream + (_description.ResidualScale == 1 ? part : _program.Scale(part, _description.ResidualScale));
    }

    private Value Logits(Value x, Weight embedding)
    {
        const string Output = "output.weight";
        var isTied = _description.Head == HeadWeights.Embedding || (_description.Head == HeadWeights.OwnOrEmbedding && !_model.Has(Output));
        var weight = isTied ? embedding : _program.Matrix(Output, _width, checked((int)embedding.Rows));
        var vocabulary = checked((int)weight.Rows);
        var logits = _program.Linear(x, weight, _description.RequiresHeadBias ? _program.Vector("output.bias", vocabulary) : _program.OptionalVector("output.bias", vocabulary));
        if (_description.LogitScale != 1)
            logits = _program.Scale(logits, _description.LogitScale);
        if (_description.LogitCap > 0)
            logits = _program.Softcap(logits, _description.LogitCap);
        return _description.Suppressed is var (first, end) && first < vocabulary ? Suppress(logits, first, Math.Min(end, vocabulary)) : logits;
    }

    private Value Suppress(Value logits, int first, int end)
    {
        var lowest = _program.Clamp(_program.Slice(logits, 1, first, end - first), float.MinValue, float.MinValue);
        var joined = _program.Concat(_program.Slice(logits, 1, 0, first), lowest, groups: 1);
        return end == logits.Width ? joined : _program.Concat(joined, _program.Slice(logits, 1, end, logits.Width - end), groups: 1);
    }

    private static Value Norm(Block block, Value x, string? name) => name is null ? x : block.Norm(x, name);

    private Value Norm(Value x, string? name) => name is null ? x : _model.Norm(x, name, _description.Norm);
}
