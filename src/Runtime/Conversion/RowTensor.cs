namespace Hearth.Runtime.Conversion;

/// <summary>Fills one row of a tensor.</summary>
/// <param name="row">The row: all axes but the last, counted together.</param>
/// <param name="values">Takes the row, as long as the last axis.</param>
internal delegate void RowReader(long row, Span<float> values);

/// <summary>A tensor that is read row by row as float32, and whose changes are made while it is read: none is ever whole in memory.</summary>
/// <param name="Shape">Extents, outermost axis first; at least one.</param>
/// <param name="Row">Reads a row; safe for several threads.</param>
internal sealed record RowTensor(long[] Shape, RowReader Row)
{
    /// <summary>Far beyond any model; a row is the largest piece that is held.</summary>
    public const int LongestRow = 1 << 26;

    /// <summary>Reads a column of a matrix, where that is possible.</summary>
    public RowReader? Column { get; init; }

    /// <summary>The type that the checkpoint stores it in.</summary>
    public string Type { get; init; } = "F32";

    /// <summary>The checkpoint's tensor, named in errors.</summary>
    public string Name { get; init; } = "";

    /// <summary>Rows: all axes but the last.</summary>
    public long Rows => Shape[..^1].Aggregate(1L, (product, extent) => product * extent);

    /// <summary>Numbers in a row.</summary>
    public int Columns => (int)Shape[^1];

    /// <summary>Inputs and outputs exchanged (a Conv1D's weight is [inputs, outputs]); a vector stays.</summary>
    public RowTensor Transpose()
        => Shape.Length == 1 ? this
            : Shape.Length == 2 && Column is not null && Shape[0] <= LongestRow ? new RowTensor([Shape[1], Shape[0]], Column) { Type = Type, Name = Name }
            : throw Misshapen("a matrix");

    /// <summary>The rows of each head from halves to pairs: row j of the first half, then row j of the second.</summary>
    /// <remarks>Turns weights for rotary embedding of halves into those for neighbouring pairs (RoFormer's own layout).</remarks>
    public RowTensor PairHalves(int heads)
    {
        if (Shape.Length > 2 || Shape[0] % (2L * heads) != 0)
            throw Misshapen($"rows in {heads} heads of even width");
        var (width, half) = (Shape[0] / heads, Shape[0] / heads / 2);
        long Source(long row) => (row / width * width) + (row % width / 2) + (row % 2 * half);
        if (Shape.Length == 2)
            return this with { Row = (row, values) => Row(Source(row), values), Column = null };
        return this with
        {
            Row = (_, values) =>
            {
                var halves = new float[values.Length];
                Row(0, halves);
                for (var i = 0; i < halves.Length; i++)
                    values[i] = halves[Source(i)];
            },
            Column = null,
        };
    }

    /// <summary>Every number plus a constant.</summary>
    public RowTensor Plus(float constant) => Map(value => value + constant);

    /// <summary>A function of every number.</summary>
    public RowTensor Map(Func<float, float> function) => this with
    {
        Row = (row, values) =>
        {
            Row(row, values);
            foreach (ref var value in values)
                value = function(value);
        },
        Column = null,
    };

    /// <summary>A matrix whose middle axis of extent 1 is left out (the taps of a convolution, channel by channel).</summary>
    public RowTensor WithoutMiddle()
        => Shape.Length == 3 && Shape[1] == 1 ? this with { Shape = [Shape[0], Shape[2]], Column = null } : throw Misshapen("[channels, 1, taps]");

    /// <summary>A vector as a matrix of so many rows.</summary>
    public RowTensor Fold(long rows)
    {
        if (Shape.Length != 1 || Shape[0] % rows != 0)
            throw Misshapen($"a vector of a multiple of {rows} numbers");
        var columns = Shape[0] / rows;
        return this with { Shape = [rows, columns], Row = (row, values) => WholeRow().AsSpan((int)(row * columns), (int)columns).CopyTo(values), Column = null };
    }

    /// <summary>A vector's numbers or a matrix's rows in another order.</summary>
    /// <param name="source">Which one comes to a place.</param>
    public RowTensor Reorder(Func<long, long> source) => Shape.Length switch
    {
        1 => ReorderColumns(source),
        2 => this with { Row = (row, values) => Row(source(row), values), Column = null },
        _ => throw Misshapen("a vector or a matrix"),
    };

    /// <summary>The numbers of every row in another order.</summary>
    /// <param name="source">Which one comes to a place.</param>
    public RowTensor ReorderColumns(Func<long, long> source) => this with
    {
        Row = (row, values) =>
        {
            var before = new float[values.Length];
            Row(row, before);
            for (var i = 0; i < before.Length; i++)
                values[i] = before[source(i)];
        },
        Column = null,
    };

    /// <summary>Some of the second-to-last axis, for checkpoints that store several matrices one below the other.</summary>
    /// <param name="part">Which, from 0.</param>
    /// <param name="parts">How many of equal size there are.</param>
    public RowTensor Part(int part, int parts)
    {
        if (Shape.Length < 2 || Shape[^2] % parts != 0)
            throw Misshapen($"{parts} matrices one below the other");
        var (whole, size) = (Shape[^2], Shape[^2] / parts);
        return this with
        {
            Shape = [.. Shape[..^2], size, Shape[^1]],
            Row = (row, values) => Row((row / size * whole) + (part * size) + (row % size), values),
            Column = null,
        };
    }

    /// <summary>Some of the outermost axis.</summary>
    /// <param name="first">The first taken.</param>
    /// <param name="count">How many.</param>
    public RowTensor Range(long first, long count)
    {
        if (Shape.Length > 2 || first + count > Shape[0])
            throw Misshapen($"{first + count} rows or more");
        return Shape.Length == 2
            ? this with { Shape = [count, Shape[1]], Row = (row, values) => Row(first + row, values), Column = null }
            : this with { Shape = [count], Row = (_, values) => WholeRow().AsSpan((int)first, (int)count).CopyTo(values), Column = null };
    }

    /// <summary>The outermost axis of a vector or a matrix from its end.</summary>
    public RowTensor Reverse()
    {
        if (Shape.Length == 2)
            return this with { Row = (row, values) => Row(Shape[0] - 1 - row, values), Column = null };
        return Shape.Length == 1 ? this with
        {
            Row = (_, values) =>
            {
                Row(0, values);
                values.Reverse();
            },
            Column = null,
        } : throw Misshapen("a vector or a matrix");
    }

    /// <summary>All numbers as one vector.</summary>
    public RowTensor Flatten()
    {
        var (rows, columns) = (Rows, Columns);
        if (rows * columns > LongestRow)
            throw Misshapen($"at most {LongestRow} numbers");
        return new RowTensor([rows * columns], (_, values) =>
        {
            for (var row = 0; row < rows; row++)
                Row(row, values.Slice(row * columns, columns));
        })
        { Type = Type, Name = Name };
    }

    /// <summary>The tensor itself, once an extent is what it must be.</summary>
    public RowTensor Expect(int axis, long extent)
        => axis < Shape.Length && Shape[axis] == extent ? this : throw Misshapen($"{extent} long on axis {axis}");

    private float[] WholeRow()
    {
        var row = new float[Columns];
        Row(0, row);
        return row;
    }

    /// <summary>A matrix without its first rows.</summary>
    public RowTensor WithoutRows(int count)
        => Shape.Length == 2 && Shape[0] > count
            ? this with { Shape = [Shape[0] - count, Shape[1]], Row = (row, values) => Row(row + count, values), Column = null }
            : throw Misshapen($"a matrix of more than {count} rows");

    /// <summary>Tensors of one shape along a new outermost axis.</summary>
    public static RowTensor Stack(IReadOnlyList<RowTensor> tensors)
    {
        var first = tensors[0];
        var rows = first.Rows;
        return tensors.FirstOrDefault(tensor => !tensor.Shape.AsSpan().SequenceEqual(first.Shape)) is { } other
            ? throw other.Misshapen($"[{string.Join(", ", first.Shape)}] as its neighbours")
            : new RowTensor([tensors.Count, .. first.Shape], (row, values) => tensors[(int)(row / rows)].Row(row % rows, values)) { Type = first.Type, Name = first.Name };
    }

    /// <summary>A vector made of numbers.</summary>
    public static RowTensor Of(float[] values) => new([values.Length], (_, row) => values.CopyTo(row));

    private ModelFormatException Misshapen(string expected) => new($"tensor '{Name}' must be {expected}, found the shape [{string.Join(", ", Shape)}]");
}
