using System.Globalization;

namespace Hearth.Runtime.Synthesis;

/// <summary>How a tensor of a synthetic model is stored.</summary>
internal enum SyntheticStorage
{
    /// <summary>In the type asked for.</summary>
    Weight,

    /// <summary>With more bits where the type's mix has them for this layer.</summary>
    Rich,

    /// <summary>With more bits in every mix: what logits are made by.</summary>
    Output,

    /// <summary>As F32.</summary>
    Exact,
}

/// <summary>A tensor of a synthetic model, row length first, its values around a mean.</summary>
internal readonly record struct SyntheticTensor(string Name, SyntheticStorage Storage, long[] Shape, double Deviation, double Mean = 0)
{
    /// <summary>Which layer a tensor <c>blk.N.*</c> belongs to.</summary>
    public int Layer => int.Parse(Name.Split('.')[1], CultureInfo.InvariantCulture);
}

/// <summary>A synthetic model while it is put together: metadata of its architecture, and tensors in the order of the file.</summary>
/// <param name="architecture">general.architecture, which every key begins with.</param>
internal sealed class SyntheticModel(string architecture)
{
    // Of a vector of factors around 1.
    private const double VectorDeviation = 0.1;

    private readonly List<(string Key, object Value)> _pairs = [];
    private readonly List<SyntheticTensor> _tensors = [];

    /// <summary>general.architecture.</summary>
    public string Architecture => architecture;

    /// <summary>The keys, without the architecture.</summary>
    public IReadOnlyList<(string Key, object Value)> Pairs => _pairs;

    /// <summary>The tensors so far.</summary>
    public IReadOnlyList<SyntheticTensor> Tensors => _tensors;

    /// <summary>Adds a key behind the architecture.</summary>
    public void Key(string key, object value) => _pairs.Add((key, value is int number ? (uint)number : value));

    /// <summary>Adds a matrix whose products have the deviation of its inputs.</summary>
    public void Matrix(string name, int inputs, int outputs, SyntheticStorage storage = SyntheticStorage.Weight)
        => _tensors.Add(new(name, storage, [inputs, outputs], 1 / Math.Sqrt(inputs)));

    /// <summary>Adds a stack of such matrices.</summary>
    public void Stack(string name, int inputs, int outputs, int count, SyntheticStorage storage = SyntheticStorage.Weight)
        => _tensors.Add(new(name, storage, [inputs, outputs, count], 1 / Math.Sqrt(inputs)));

    /// <summary>Adds a table of embeddings.</summary>
    public void Embedding(string name, int width, int rows) => _tensors.Add(new(name, SyntheticStorage.Weight, [width, rows], 1));

    /// <summary>Adds factors, or other values around a mean.</summary>
    public void Vector(string name, int size, double mean = 1) => _tensors.Add(new(name, SyntheticStorage.Exact, [size], VectorDeviation, mean));

    /// <summary>Adds values of some shape around a mean.</summary>
    public void Values(string name, double mean, double deviation, params long[] shape) => _tensors.Add(new(name, SyntheticStorage.Exact, shape, deviation, mean));
}
