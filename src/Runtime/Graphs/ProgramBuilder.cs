using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

/// <summary>Writes a program: each method adds one operation and returns the value that it will compute.</summary>
/// <remarks>
/// Shapes are checked where they are written, so that a wrong model fails here with the tensor's name and not inside the
/// engine. Not thread-safe.
/// </remarks>
internal sealed unsafe partial class ProgramBuilder
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
        Clamp,
        Slice,
        Concat,
        Pool,
        Router,
        ExpertLinear,
        ExpertSum,
        GroupedLinear,
        LogSoftmax,
        ShortConvolution,
        SelectiveScan,
        DeltaRule,
        Wkv,
        ChooseKeys,
    }

    // What a row of an embedding's table is chosen by; numbered as in hearth.h.
    private const int ByToken = 0;
    private const int ByPosition = 1;
    private const int AlwaysFirst = 2;

    // The function with parameters of its own, which Xielu alone writes; numbered as in hearth.h.
    private const int XieluFunction = 9;

    private readonly GgufFile _file;
    private readonly List<NativeOperation> _operations = [];
    private readonly List<int> _widths = [];
    private readonly List<Weight> _weights = [];
    private readonly Dictionary<(string Name, long First, long Columns, long Rows, WeightForm? Form), Weight> _known = [];
    private readonly List<CacheLayer> _cacheLayers = [];
    private readonly List<CacheLayer> _memoryLayers = [];

    /// <summary>Starts a program over the tensors of a file.</summary>
    public ProgramBuilder(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        _file = file;
    }

    /// <summary>The weights used so far.</summary>
    public IReadOnlyList<Weight> Weights => _weights;

    /// <summary>Layers of the cache written so far: the number of the next.</summary>
    public int CacheLayerCount => _cacheLayers.Count;

    // ---- Weights

    /// <summary>A matrix that maps <paramref name="columns"/> inputs to <paramref name="rows"/> outputs.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="rows">Outputs; null takes what the file has.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight Matrix(string name, int columns, int? rows = null)
    {
        var expected = $"[{columns}, {rows?.ToString() ?? "any"}]";
        var tensor = Tensor(name, expected);
        if (tensor.Shape.Length > 2 || tensor.Extent(0) != columns || (rows is not null && tensor.Extent(1) != rows))
            throw Misshapen(tensor, expected);
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
        var tensor = Tensor(name, $"[{columns}, {totalRows}]");
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
        var tensor = Tensor(name, $"[{totalSize}]");
        if (tensor.ElementCount != totalSize || tensor.Extent(0) != totalSize)
            throw Misshapen(tensor, $"[{totalSize}]");
        return Register(tensor, first, size, 1, isVector: true);
    }

    /// <summary>One of several vectors that the file stores one after another, however it shapes them.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="index">Which of them.</param>
    /// <param name="size">Values of each: the tensor's first extent.</param>
    /// <param name="count">How many there are.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight VectorOf(string name, int index, int size, int count)
    {
        var expected = $"[{size}, {count}]";
        var tensor = Tensor(name, expected);
        return tensor.Extent(0) == size && tensor.ElementCount == (long)size * count
            ? Register(tensor, (long)index * size, size, 1, isVector: true)
            : throw Misshapen(tensor, expected);
    }

    /// <summary>A vector that the file shapes as a matrix: a bias for each expert, a table of attention biases.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="rows">Rows.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight Table(string name, int columns, int rows)
    {
        return Register(Tensor(name, columns, rows), 0, (long)columns * rows, 1, isVector: true);
    }

    /// <summary>A vector each of whose values stands for several: a gain for every head.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="size">Values of the tensor.</param>
    /// <param name="times">How often each stands in the weight, one after another.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight RepeatedVector(string name, int size, int times) => Prepared(name, size, new WeightForm(times, IsReciprocal: false));

    /// <summary>A vector of which the reciprocals are used: divisors.</summary>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight ReciprocalVector(string name, int size) => Prepared(name, size, new WeightForm(1, IsReciprocal: true));

    private Weight Prepared(string name, int size, WeightForm form)
    {
        var tensor = Tensor(name, $"[{size}]");
        if (tensor.ElementCount != size)
            throw Misshapen(tensor, $"[{size}]");
        return Register(tensor, 0, size, 1, isVector: true, form: form);
    }

    /// <summary>A matrix as a vector, column by column: all first values of its rows, then all second ones.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="rows">Rows, the tensor's last extent; further extents between are 1.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight TransposedTable(string name, int columns, int rows)
    {
        var expected = $"[{columns}, {rows}]";
        var tensor = Tensor(name, expected);
        if (tensor.Extent(0) != columns || tensor.ElementCount != (long)columns * rows)
            throw Misshapen(tensor, expected);
        return Register(tensor, 0, (long)columns * rows, 1, isVector: true, form: WeightForm.AsStored with { TransposedColumns = columns });
    }

    /// <summary>Matrices of one shape, an expert or a head each.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="columns">Inputs of each.</param>
    /// <param name="rows">Outputs of each.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    public Weight Stack(string name, int columns, int rows, int count)
    {
        var tensor = Tensor(name, $"[{columns}, {rows}, {count}]");
        if (tensor.Shape.Length > 3 || tensor.Extent(0) != columns || tensor.Extent(1) != rows || tensor.Extent(2) != count)
            throw Misshapen(tensor, $"[{columns}, {rows}, {count}]");
        return Register(tensor, 0, columns, rows, isVector: false, count);
    }

    /// <summary>Matrices that no tensor holds: computed when the model is loaded.</summary>
    /// <param name="name">What they are; alike only where the numbers are.</param>
    /// <param name="columns">Inputs of each.</param>
    /// <param name="rows">Outputs of each.</param>
    /// <param name="count">How many.</param>
    /// <param name="compute">Gives count * rows * columns values, matrix by matrix and row by row.</param>
    internal Weight Computed(string name, int columns, int rows, int count, Func<float[]> compute)
    {
        if (_known.TryGetValue((name, 0, columns, rows, null), out var known))
            return known;
        var weight = new Weight(_weights.Count, name, compute, columns, rows, count, form: null);
        _weights.Add(weight);
        _known.Add((name, 0, columns, rows, null), weight);
        return weight;
    }

    // A tensor that is used twice alike (tied embeddings) is one weight.
    private Weight Register(GgufTensor tensor, long first, long columns, long rows, bool isVector, int stack = 1, WeightForm? form = null)
    {
        if (isVector)
            form ??= WeightForm.AsStored;
        var key = (tensor.Name, first, columns, rows, form);
        if (!_known.TryGetValue(key, out var weight))
        {
            EngineTypes.Require(tensor);
            weight = new Weight(_weights.Count, tensor, first, columns, rows, stack, form);
            _weights.Add(weight);
            _known.Add(key, weight);
        }

        return weight;
    }

    /// <summary>A tensor from which something is computed when the model is loaded.</summary>
    /// <exception cref="ModelFormatException">The tensor is missing or has another shape.</exception>
    internal GgufTensor Tensor(string name, int columns, int rows)
    {
        var tensor = Tensor(name, $"[{columns}, {rows}]");
        return tensor.Shape.Length <= 2 && tensor.Extent(0) == columns && tensor.Extent(1) == rows ? tensor : throw Misshapen(tensor, $"[{columns}, {rows}]");
    }

    private GgufTensor Tensor(string name, string shape)
        => _file.FindTensor(name) ?? throw new ModelFormatException($"tensor '{name}' of the shape {shape} is missing", _file.Path);

    private ModelFormatException Misshapen(GgufTensor tensor, string expected)
        => new($"tensor '{tensor.Name}' must have the shape {expected}, found [{string.Join(", ", tensor.Shape)}]", _file.Path);

    // ---- Operations

    /// <summary>Rows of a table, by token id.</summary>
    /// <param name="table">[vocabulary] rows of [width].</param>
    /// <param name="scale">Factor of the rows.</param>
    public Value Embed(Weight table, float scale = 1) => EmbedBy(ByToken, table, scale);

    /// <summary>Rows of a table, by position: learned position embeddings.</summary>
    /// <param name="table">[context] rows of [width].</param>
    public Value EmbedPosition(Weight table) => EmbedBy(ByPosition, table, 1);

    /// <summary>Rows of a table that holds the tokens from <paramref name="first"/> on; other tokens' rows are zero (adaptive input, arXiv 1809.10853).</summary>
    /// <param name="table">Rows of [width].</param>
    /// <param name="first">The token of its first row.</param>
    /// <param name="scale">Factor of the rows.</param>
    public Value EmbedRange(Weight table, int first, float scale = 1)
    {
        var operation = Start(Kind.Embed);
        operation.Weight[0] = table.Number;
        operation.Parameters.Embed = new NativeEmbedParameters { Scale = scale, Ranged = 1, First = first };
        return Scaled(Finish(operation, checked((int)table.Columns)), table);
    }

    /// <summary>The first row of a table, for every row of the step: BERT's type of a lone text.</summary>
    /// <param name="table">Rows of [width].</param>
    public Value EmbedFirst(Weight table) => EmbedBy(AlwaysFirst, table, 1);

    private Value EmbedBy(int index, Weight table, float scale)
    {
        var operation = Start(Kind.Embed);
        operation.Weight[0] = table.Number;
        operation.Parameters.Embed = new NativeEmbedParameters { Index = index, Scale = scale };
        return Scaled(Finish(operation, checked((int)table.Columns)), table);
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
        return AreScaled(weights) ? ScaledLinear(input, function, weights) : UnscaledLinear(input, function, weights);
    }

    private Value[] UnscaledLinear(Value input, ActivationFunction function, ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        var operation = Start(Kind.Linear, input);
        operation.Parameters.Function = (int)function;
        var outputs = new Value[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            Expect(weights[i].Weight.Columns == input.Width, $"linear by '{weights[i].Weight.Name}'", $"an input {weights[i].Weight.Columns} wide", input.Width);
            Expect(weights[i].Bias is not { } bias || bias.Count == weights[i].Weight.Rows, $"linear by '{weights[i].Weight.Name}'", $"a bias of {weights[i].Weight.Rows} values", (int)(weights[i].Bias?.Count ?? 0));
            MarkMultiplied(weights[i].Weight, 1);
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
    /// <param name="weight">[groupWidth]; null: 1.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="groupWidth">Values normalized together (a head's, for query-key norm); 0: the row.</param>
    public Value RmsNorm(Value input, Weight? weight, float epsilon, int groupWidth = 0)
    {
        Expect(groupWidth == 0 || input.Width % groupWidth == 0, "norm", $"groups of {groupWidth}", input.Width);
        var operation = Start(Kind.RmsNorm, input);
        operation.Weight[0] = weight?.Number ?? -1;
        operation.Parameters.Norm = new NativeNormParameters { Epsilon = epsilon, GroupWidth = groupWidth };
        return Finish(operation, input.Width);
    }

    /// <summary>(input - mean) / sqrt(variance + epsilon) * weight + bias (arXiv 1607.06450).</summary>
    /// <param name="input">[rows, width].</param>
    /// <param name="weight">[groupWidth]; null: 1.</param>
    /// <param name="bias">Like the weight; null: 0.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="groupWidth">Values normalized together; 0: the row.</param>
    public Value LayerNorm(Value input, Weight? weight, Weight? bias, float epsilon, int groupWidth = 0)
    {
        Expect(groupWidth == 0 || input.Width % groupWidth == 0, "norm", $"groups of {groupWidth}", input.Width);
        var operation = Start(Kind.LayerNorm, input);
        operation.Weight[0] = weight?.Number ?? -1;
        operation.Weight[1] = bias?.Number ?? -1;
        operation.Parameters.Norm = new NativeNormParameters { Epsilon = epsilon, GroupWidth = groupWidth };
        return Finish(operation, input.Width);
    }

    /// <summary>Rotates queries or keys by their position.</summary>
    /// <param name="input">[rows, heads * headWidth].</param>
    /// <param name="headWidth">Values of one head.</param>
    /// <param name="terms">Frequencies and layout.</param>
    /// <param name="factors">[dimensions / 2] divisors of the frequencies, or null.</param>
    public Value Rope(Value input, int headWidth, RopeTerms terms, Weight? factors = null)
    {
        Expect(headWidth > 0 && input.Width % headWidth == 0, "rope", $"heads of {headWidth}", input.Width);
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
            Offset = terms.Offset,
        };
        return Finish(operation, input.Width);
    }

    /// <summary>The sum, element by element; the right side may be one wide.</summary>
    /// <exception cref="ModelFormatException">The widths differ.</exception>
    public Value Add(Value left, Value right) => Together(Kind.Add, left, right);

    /// <summary>The sum with a vector of the left side's width, or of one value.</summary>
    public Value Add(Value left, Weight right) => WithVector(Kind.Add, left, right);

    /// <summary>The product, element by element; the right side may be one wide.</summary>
    /// <exception cref="ModelFormatException">The widths differ.</exception>
    public Value Multiply(Value left, Value right) => Together(Kind.Multiply, left, right);

    /// <summary>The product with a vector of the left side's width, or of one value.</summary>
    public Value Multiply(Value left, Weight right) => WithVector(Kind.Multiply, left, right);

    private Value Together(Kind kind, Value left, Value right)
    {
        Expect(right.Width == left.Width || right.Width == 1, Name(kind), $"a right side {left.Width} or 1 wide", right.Width);
        return Finish(Start(kind, left, right), left.Width);
    }

    private Value WithVector(Kind kind, Value left, Weight right)
    {
        var size = right.EngineColumns * right.Rows;
        Expect(size == left.Width || size == 1, $"{Name(kind)} with '{right.Name}'", $"{left.Width} values or one", (int)size);
        var operation = Start(kind, left);
        operation.Weight[0] = right.Number;
        return Finish(operation, left.Width);
    }

    /// <summary>input * factor + offset.</summary>
    public Value Scale(Value input, float factor, float offset = 0)
    {
        var operation = Start(Kind.Scale, input);
        operation.Parameters.Factor = new NativeFactorParameters { Factor = factor, Offset = offset };
        return Finish(operation, input.Width);
    }

    /// <summary>cap * tanh(input / cap).</summary>
    public Value Softcap(Value input, float cap)
    {
        var operation = Start(Kind.Softcap, input);
        operation.Parameters.Factor = new NativeFactorParameters { Factor = cap };
        return Finish(operation, input.Width);
    }

    /// <summary>The logarithm of the softmax, row by row.</summary>
    public Value LogSoftmax(Value input) => Finish(Start(Kind.LogSoftmax, input), input.Width);

    /// <summary>min(max(input, least), most); either bound may be infinite.</summary>
    public Value Clamp(Value input, float least, float most)
    {
        var operation = Start(Kind.Clamp, input);
        operation.Parameters.Clamp = new NativeClampParameters { Least = least, Most = most };
        return Finish(operation, input.Width);
    }

    /// <summary>function(input), or function(input) * gated where that is given (arXiv 2002.05202).</summary>
    public Value Activate(ActivationFunction function, Value input, Value? gated = null)
    {
        Expect(gated is null || gated.Width == input.Width, "gated activation", $"a gated side {input.Width} wide", gated?.Width ?? 0);
        var operation = gated is null ? Start(Kind.Activation, input) : Start(Kind.Activation, input, gated);
        operation.Parameters.Activation = new NativeActivationParameters { Function = (int)function };
        return Finish(operation, input.Width);
    }

    /// <summary>xIELU of the input.</summary>
    public Value Xielu(Value input, XieluTerms terms)
    {
        var operation = Start(Kind.Activation, input);
        operation.Parameters.Activation = new NativeActivationParameters
        {
            Function = XieluFunction,
            NegativeAlpha = terms.NegativeAlpha,
            PositiveAlpha = terms.PositiveAlpha,
            Beta = terms.Beta,
            Epsilon = terms.Epsilon,
        };
        return Finish(operation, input.Width);
    }

    /// <summary>Some columns of each group of columns.</summary>
    /// <param name="input">[rows, groups * groupWidth].</param>
    /// <param name="groups">Equal parts of the input: heads, say.</param>
    /// <param name="offset">The first column taken of each.</param>
    /// <param name="width">Columns taken of each.</param>
    /// <returns>[rows, groups * width].</returns>
    public Value Slice(Value input, int groups, int offset, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Expect(input.Width % groups == 0 && offset + width <= input.Width / groups, "slice", $"{groups} groups of at least {offset + width} columns", input.Width);
        var operation = Start(Kind.Slice, input);
        operation.Parameters.Slice = new NativeSliceParameters { Groups = groups, Offset = offset, Width = width };
        return Finish(operation, checked(groups * width));
    }

    /// <summary>Joins columns group by group: first the left's, then the right's.</summary>
    /// <param name="left">[rows, groups * leftWidth].</param>
    /// <param name="right">[rows, groups * rightWidth], or [rows, rightWidth] for every group where <paramref name="shared"/>.</param>
    /// <param name="groups">Equal parts: heads, say.</param>
    /// <param name="shared">Whether the right side is one group that all get.</param>
    /// <returns>[rows, groups * (leftWidth + rightWidth)].</returns>
    public Value Concat(Value left, Value right, int groups, bool shared = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        Expect(left.Width % groups == 0 && (shared || right.Width % groups == 0), "concat", $"{groups} equal groups on both sides", left.Width % groups == 0 ? right.Width : left.Width);
        var operation = Start(Kind.Concat, left, right);
        operation.Parameters.Groups = groups;
        return Finish(operation, checked(left.Width + (shared ? groups * right.Width : right.Width)));
    }

    /// <summary>The mean of each wanted row's sequence, over the rows of the step.</summary>
    public Value Mean(Value input) => Finish(Start(Kind.Pool, input), input.Width);

    /// <summary>One vector for each text of the step; which row of a text is wanted decides between its first token and its last.</summary>
    public Value Pool(Value hidden, PoolingKind kind) => kind == PoolingKind.Mean ? Mean(hidden) : Gather(hidden);

    /// <summary>Only the rows whose output is wanted: what follows is not computed for the others.</summary>
    public Value Gather(Value input) => Finish(Start(Kind.Gather, input), input.Width);

    /// <summary>Ends the program.</summary>
    /// <param name="result">What a step returns: gathered rows.</param>
    /// <param name="limits">The most rows of a step.</param>
    /// <param name="encoder">The program that fills the memory, for an encoder–decoder.</param>
    /// <param name="pooling">How the result comes of a text's hidden states; null: it is logits.</param>
    /// <param name="recurrence">How text is read in segments; null: as one.</param>
    /// <param name="ranking">How a classifier reads a text, where it is pooled for one.</param>
    public ModelProgram Build(Value result, StepLimits limits, ModelProgram? encoder = null, PoolingKind? pooling = null, Recurrence? recurrence = null, RankingTerms? ranking = null)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new ModelProgram([.. _operations], [.. _widths], [.. _weights], [.. _cacheLayers], [.. _memoryLayers], result.Number, limits)
        {
            StateWidths = [.. _stateWidths],
            Encoder = encoder,
            Pooling = pooling,
            Recurrence = recurrence,
            Ranking = ranking,
        };
    }

    /// <summary>Rows of the shortest table that is read by position; null where none is.</summary>
    internal static int? LearnedPositions(ModelProgram program)
    {
        int? least = null;
        foreach (var operation in program.Operations)
        {
            if ((Kind)operation.Kind == Kind.Embed && operation.Parameters.Embed.Index == ByPosition)
                least = (int)Math.Min(program.Weights[operation.Weight[0]].Rows, least ?? int.MaxValue);
        }

        return least;
    }

    /// <summary>Multiply-adds with weights for every row of a step; what is computed for output rows alone is not counted.</summary>
    internal static long ProductsPerRow(ModelProgram program)
    {
        var ofOutput = new bool[program.ValueWidths.Length];
        long products = 0;
        foreach (var operation in program.Operations)
        {
            var kind = (Kind)operation.Kind;
            var isOutput = kind is Kind.Gather or Kind.Pool || (operation.Input[0] >= 0 && ofOutput[operation.Input[0]]);
            for (var i = 0; i < 3; i++)
            {
                if (operation.Output[i] >= 0)
                    ofOutput[operation.Output[i]] = isOutput;
            }

            if (isOutput || kind is not (Kind.Linear or Kind.ExpertLinear or Kind.GroupedLinear))
                continue;
            for (var i = 0; i < 3; i++)
            {
                if (operation.Weight[i] >= 0 && program.Weights[operation.Weight[i]] is var weight)
                    products += weight.Columns * weight.Rows * weight.StackRead;
            }
        }

        return products;
    }

    // ---- Pieces

    // Widths follow from the file's numbers: where they do not fit each other, the file is at fault.
    private void Expect(bool holds, string operation, string expected, int found)
    {
        if (!holds)
            throw new ModelFormatException($"[{operation}] expected {expected}, found {found}", _file.Path);
    }

    private static string Name(Kind kind) => kind == Kind.Add ? "add" : "multiply";

    private static void MarkMultiplied(Weight weight, int stackRead)
    {
        weight.IsMultiplied = true;
        weight.StackRead = stackRead;
    }

    private NativeOperation Start(Kind kind, params ReadOnlySpan<Value> inputs)
    {
        foreach (var input in inputs)
        {
            if (input.Builder != this)
                throw new ArgumentException("the value is of another program", nameof(inputs));
        }

        var operation = new NativeOperation { Kind = (int)kind };
        for (var i = 0; i < NativeOperation.Inputs; i++)
            operation.Input[i] = i < inputs.Length ? inputs[i].Number : -1;
        for (var i = 0; i < 3; i++)
            operation.Output[i] = -1;

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
