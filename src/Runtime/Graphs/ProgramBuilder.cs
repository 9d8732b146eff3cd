using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

/// <summary>Writes a program: each method adds one operation and returns the value that it will compute.</summary>
/// <remarks>
/// Shapes are checked where they are written, so that a wrong model fails here with the tensor's name and not inside the
/// engine. Not thread-safe.
/// </remarks>
public sealed unsafe class ProgramBuilder
{
    private enum Kind
    {
        Embed = 1,
        Linear,
        RmsNorm,
        LayerNorm,
        Rope,
        CacheWrite,
        Attention,
        Add,
        Multiply,
        Scale,
        Activation,
        Softcap,
        Gather,
    }

    private readonly GgufFile _file;
    private readonly List<NativeOperation> _operations = [];
    private readonly List<int> _widths = [];
    private readonly List<Weight> _weights = [];
    private readonly Dictionary<(string Name, long First, long Columns, long Rows, bool IsVector), Weight> _known = [];
    private readonly List<CacheLayer> _cacheLayers = [];

    /// <summary>Starts a program over the tensors of a file.</summary>
    public ProgramBuilder(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        _file = file;
    }

    // ---- Weights

    /// <summary>A matrix that maps <paramref name="columns"/> inputs to <paramref name="rows"/> outputs.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="rows">Outputs; null takes what the file has.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight Matrix(string name, int columns, int? rows = null)
    {
        var tensor = _file.GetTensor(name);
        if (tensor.Shape.Length > 2 || tensor.Extent(0) != columns || (rows is not null && tensor.Extent(1) != rows))
            throw Misshapen(tensor, $"[{columns}, {rows?.ToString() ?? "any"}]");
        return Register(tensor, 0, columns, tensor.Extent(1), isVector: false);
    }

    /// <summary>Some rows of a matrix, for files that store several matrices as one.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="firstRow">The first row taken.</param>
    /// <param name="rows">Rows taken.</param>
    /// <param name="totalRows">Rows of the whole tensor.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight MatrixRows(string name, int columns, int firstRow, int rows, int totalRows)
    {
        var tensor = _file.GetTensor(name);
        if (tensor.Shape.Length > 2 || tensor.Extent(0) != columns || tensor.Extent(1) != totalRows)
            throw Misshapen(tensor, $"[{columns}, {totalRows}]");
        return Register(tensor, (long)firstRow * columns, columns, rows, isVector: false);
    }

    /// <summary>A vector: the weight of a norm, a bias.</summary>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight Vector(string name, int size) => VectorPart(name, 0, size, size);

    /// <summary>A vector that some models of a family lack; null where absent.</summary>
    /// <exception cref="ModelFormatException">The tensor has another shape.</exception>
    public Weight? OptionalVector(string name, int size) => _file.FindTensor(name) is null ? null : Vector(name, size);

    /// <summary>A piece of a vector, for files that store several as one.</summary>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight VectorPart(string name, int first, int size, int totalSize)
    {
        var tensor = _file.GetTensor(name);
        if (tensor.ElementCount != totalSize || tensor.Extent(0) != totalSize)
            throw Misshapen(tensor, $"[{totalSize}]");
        return Register(tensor, first, size, 1, isVector: true);
    }

    // A tensor that is used twice alike (tied embeddings) is one weight.
    private Weight Register(GgufTensor tensor, long first, long columns, long rows, bool isVector)
    {
        var key = (tensor.Name, first, columns, rows, isVector);
        if (!_known.TryGetValue(key, out var weight))
        {
            EngineTypes.Require(tensor);
            weight = new Weight(_weights.Count, tensor, first, columns, rows, isVector);
            _weights.Add(weight);
            _known.Add(key, weight);
        }

        return weight;
    }

    private ModelFormatException Misshapen(GgufTensor tensor, string expected)
        => new($"tensor '{tensor.Name}' must have the shape {expected}, found [{string.Join(", ", tensor.Shape)}]", _file.Path);

    // ---- Operations

    /// <summary>Rows of a table, by token id.</summary>
    /// <param name="table">[vocabulary] rows of [width].</param>
    /// <param name="scale">Factor of the rows.</param>
    public Value Embed(Weight table, float scale = 1) => EmbedBy(0, table, scale);

    /// <summary>Rows of a table, by position: learned position embeddings.</summary>
    /// <param name="table">[context] rows of [width].</param>
    public Value EmbedPosition(Weight table) => EmbedBy(1, table, 1);

    private Value EmbedBy(int index, Weight table, float scale)
    {
        var operation = Start(Kind.Embed);
        operation.Weight[0] = table.Number;
        operation.Parameters.Embed = new NativeEmbedParameters { Index = index, Scale = scale };
        return Finish(operation, checked((int)table.Columns));
    }

    /// <summary>function(input * weight^T + bias).</summary>
    public Value Linear(Value input, Weight weight, Weight? bias = null, ActivationFunction function = ActivationFunction.None)
        => Linear(input, function, (weight, bias))[0];

    /// <summary>Several products with one input, computed together.</summary>
    /// <param name="input">[rows, columns of every weight].</param>
    /// <param name="function">Applied to every output.</param>
    /// <param name="weights">One to three weights with their biases.</param>
    /// <returns>An output for each weight.</returns>
    public Value[] Linear(Value input, ActivationFunction function, params ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weights.Length, 3);
        var operation = Start(Kind.Linear, input);
        operation.Parameters.Function = (int)function;
        var outputs = new Value[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i].Weight.IsMultiplied = true;
            operation.Weight[i] = weights[i].Weight.Number;
            operation.Weight[3 + i] = weights[i].Bias?.Number ?? -1;
            outputs[i] = NewValue(checked((int)weights[i].Weight.Rows));
            operation.Output[i] = outputs[i].Number;
        }

        _operations.Add(operation);
        return outputs;
    }

    /// <summary>input / sqrt(mean(input^2) + epsilon) * weight (arXiv 1910.07467).</summary>
    /// <param name="input">[rows, width].</param>
    /// <param name="weight">[groupWidth], or [width].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="groupWidth">Values normalized together (a head's, for query-key norm); 0: the row.</param>
    public Value RmsNorm(Value input, Weight weight, float epsilon, int groupWidth = 0)
    {
        var operation = Start(Kind.RmsNorm, input);
        operation.Weight[0] = weight.Number;
        operation.Parameters.Norm = new NativeNormParameters { Epsilon = epsilon, GroupWidth = groupWidth };
        return Finish(operation, input.Width);
    }

    /// <summary>(input - mean) / sqrt(variance + epsilon) * weight + bias (arXiv 1607.06450).</summary>
    public Value LayerNorm(Value input, Weight weight, Weight? bias, float epsilon)
    {
        var operation = Start(Kind.LayerNorm, input);
        operation.Weight[0] = weight.Number;
        operation.Weight[1] = bias?.Number ?? -1;
        operation.Parameters.Norm = new NativeNormParameters { Epsilon = epsilon };
        return Finish(operation, input.Width);
    }

    /// <summary>Rotates queries or keys by their position.</summary>
    /// <param name="input">[rows, heads * headWidth].</param>
    /// <param name="headWidth">Values of one head.</param>
    /// <param name="terms">Frequencies and layout.</param>
    /// <param name="factors">[dimensions / 2] divisors of the frequencies, or null.</param>
    public Value Rope(Value input, int headWidth, RopeTerms terms, Weight? factors = null)
    {
        var operation = Start(Kind.Rope, input);
        operation.Weight[0] = factors?.Number ?? -1;
        operation.Parameters.Rope = new NativeRopeParameters
        {
            Layout = (int)terms.Layout,
            HeadWidth = headWidth,
            Dimensions = terms.Dimensions,
            OriginalContext = terms.OriginalContext,
            Base = terms.Base,
            FrequencyScale = terms.FrequencyScale,
            Extrapolation = terms.Extrapolation,
            AttentionFactor = terms.AttentionFactor,
            BetaFast = terms.BetaFast,
            BetaSlow = terms.BetaSlow,
        };
        return Finish(operation, input.Width);
    }

    /// <summary>Attention over the sequence's past and this step's rows: stores keys and values in the cache, then attends.</summary>
    /// <param name="queries">[rows, heads * keyWidth].</param>
    /// <param name="keys">[rows, kvHeads * keyWidth].</param>
    /// <param name="values">[rows, kvHeads * valueWidth].</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="terms">Shapes, mask and scale.</param>
    /// <param name="sinks">[heads] scores of a key without value, or null.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value CachedAttention(Value queries, Value keys, Value values, int layer, AttentionTerms terms, Weight? sinks = null)
    {
        var write = Start(Kind.CacheWrite, keys, values);
        write.Parameters.CacheWrite = new NativeCacheWriteParameters
        {
            Layer = layer,
            KvHeads = terms.KvHeads,
            KeyWidth = terms.KeyWidth,
            ValueWidth = terms.ValueWidth,
        };
        _operations.Add(write);
        while (_cacheLayers.Count <= layer)
            _cacheLayers.Add(default);
        _cacheLayers[layer] = new CacheLayer(terms.KvHeads, terms.KeyWidth, terms.ValueWidth);
        return Attend(Start(Kind.Attention, queries), source: 0, layer, terms, sinks);
    }

    /// <summary>Attention among the rows of the same sequence in this step; nothing is cached (encoders).</summary>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value RowAttention(Value queries, Value keys, Value values, AttentionTerms terms)
        => Attend(Start(Kind.Attention, queries, keys, values), source: 1, layer: 0, terms, sinks: null);

    private Value Attend(NativeOperation operation, int source, int layer, AttentionTerms terms, Weight? sinks)
    {
        operation.Weight[0] = sinks?.Number ?? -1;
        operation.Parameters.Attention = new NativeAttentionParameters
        {
            Source = source,
            Layer = layer,
            Heads = terms.Heads,
            KvHeads = terms.KvHeads,
            KeyWidth = terms.KeyWidth,
            ValueWidth = terms.ValueWidth,
            Mask = (int)terms.Mask,
            Window = terms.Window,
            PrefixLength = terms.PrefixLength,
            Scale = terms.Scale,
            Softcap = terms.Softcap,
            AlibiBias = terms.AlibiBias,
        };
        return Finish(operation, checked(terms.Heads * terms.ValueWidth));
    }

    /// <summary>The sum, element by element.</summary>
    public Value Add(Value left, Value right) => Finish(Start(Kind.Add, left, right), left.Width);

    /// <summary>The product, element by element.</summary>
    public Value Multiply(Value left, Value right) => Finish(Start(Kind.Multiply, left, right), left.Width);

    /// <summary>input * factor.</summary>
    public Value Scale(Value input, float factor)
    {
        var operation = Start(Kind.Scale, input);
        operation.Parameters.Factor = factor;
        return Finish(operation, input.Width);
    }

    /// <summary>cap * tanh(input / cap).</summary>
    public Value Softcap(Value input, float cap)
    {
        var operation = Start(Kind.Softcap, input);
        operation.Parameters.Factor = cap;
        return Finish(operation, input.Width);
    }

    /// <summary>function(input), or function(input) * gated where that is given (arXiv 2002.05202).</summary>
    public Value Activate(ActivationFunction function, Value input, Value? gated = null)
    {
        var operation = gated is null ? Start(Kind.Activation, input) : Start(Kind.Activation, input, gated);
        operation.Parameters.Function = (int)function;
        return Finish(operation, input.Width);
    }

    /// <summary>Only the rows whose output is wanted: what follows is not computed for the others.</summary>
    public Value Gather(Value input) => Finish(Start(Kind.Gather, input), input.Width);

    /// <summary>Ends the program.</summary>
    /// <param name="result">What a step returns: gathered rows.</param>
    /// <param name="limits">The most rows of a step.</param>
    public ModelProgram Build(Value result, StepLimits limits)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new ModelProgram([.. _operations], [.. _widths], [.. _weights], [.. _cacheLayers], result.Number, limits);
    }

    // ---- Pieces

    private static NativeOperation Start(Kind kind, params ReadOnlySpan<Value> inputs)
    {
        var operation = new NativeOperation { Kind = (int)kind };
        for (var i = 0; i < 3; i++)
        {
            operation.Input[i] = i < inputs.Length ? inputs[i].Number : -1;
            operation.Output[i] = -1;
        }

        for (var i = 0; i < 6; i++)
            operation.Weight[i] = -1;
        return operation;
    }

    private Value Finish(NativeOperation operation, int width)
    {
        var value = NewValue(width);
        operation.Output[0] = value.Number;
        _operations.Add(operation);
        return value;
    }

    private Value NewValue(int width)
    {
        _widths.Add(width);
        return new Value(this, _widths.Count - 1, width);
    }
}
