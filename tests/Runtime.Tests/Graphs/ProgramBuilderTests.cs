using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Graphs;

/// <summary>What does not fit is told where it is written, with what was expected and what was found.</summary>
public sealed class ProgramBuilderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly GgufFile _file;
    private readonly ProgramBuilder _program;
    private readonly Value _wide;
    private readonly Value _narrow;

    public ProgramBuilderTests()
    {
        var model = new EditedModel("none")
            .SetTensor("wide", new float[3 * 8], 8, 3).SetTensor("narrow", new float[3 * 6], 6, 3).SetTensor("one", new float[3], 1, 3)
            .SetTensor("matrix", new float[8 * 5], 8, 5).SetTensor("bias", new float[5], 5).SetTensor("gain", new float[8], 8);
        _file = GgufFile.Open(model.Save(_folder));
        _program = new ProgramBuilder(_file);
        _wide = _program.Embed(_program.Matrix("wide", 8));
        _narrow = _program.Embed(_program.Matrix("narrow", 6));
    }

    public void Dispose()
    {
        _file.Dispose();
        _folder.Dispose();
    }

    private static void Refused(string expected, Func<object> write)
        => Assert.Contains(expected, Assert.Throws<ModelFormatException>(write).Message, StringComparison.Ordinal);

    [Fact]
    public void Values_of_different_widths_are_neither_added_nor_multiplied()
    {
        Refused("[add] expected a right side 8 or 1 wide, found 6", () => _wide + _narrow);
        Refused("[multiply] expected a right side 6 or 1 wide, found 8", () => _narrow * _wide);
        Refused("[add with 'bias'] expected 8 values or one, found 5", () => _program.Add(_wide, _program.Vector("bias", 5)));
        Refused("[gated activation] expected a gated side 8 wide, found 6", () => _program.Activate(ActivationFunction.Silu, _wide, _narrow));
        Assert.Equal(8, (_wide + _program.Embed(_program.Matrix("one", 1))).Width);
        Assert.Equal(8, _program.Multiply(_wide, _program.Vector("gain", 8)).Width);
    }

    [Fact]
    public void A_product_takes_what_its_matrix_takes()
    {
        Refused("[linear by 'matrix'] expected an input 8 wide, found 6", () => _program.Linear(_narrow, _program.Matrix("matrix", 8)));
        Refused("[linear by 'matrix'] expected a bias of 5 values, found 8", () => _program.Linear(_wide, _program.Matrix("matrix", 8), _program.Vector("gain", 8)));
        Assert.Equal(5, _program.Linear(_wide, _program.Matrix("matrix", 8), _program.Vector("bias", 5)).Width);
    }

    [Fact]
    public void Groups_divide_what_they_are_groups_of()
    {
        Refused("[slice] expected 2 groups of at least 5 columns, found 8", () => _program.Slice(_wide, groups: 2, offset: 3, width: 2));
        Refused("[slice] expected 3 groups", () => _program.Slice(_wide, groups: 3, offset: 0, width: 1));
        Refused("[concat] expected 4 equal groups on both sides, found 6", () => _program.Concat(_wide, _narrow, groups: 4));
        Refused("[norm] expected groups of 3, found 8", () => _program.RmsNorm(_wide, null, 1e-5f, groupWidth: 3));
        Assert.Equal(4, _program.Slice(_wide, groups: 2, offset: 1, width: 2).Width);
        Assert.Equal(14, _program.Concat(_wide, _narrow, groups: 2).Width);
        Assert.Equal(8 + (4 * 6), _program.Concat(_wide, _narrow, groups: 4, shared: true).Width);
    }

    [Fact]
    public void A_value_of_another_program_is_refused()
    {
        var other = new ProgramBuilder(_file);
        Assert.Throws<ArgumentException>(() => other.Scale(_wide, 2));
    }

    [Theory]
    [InlineData("t5-v1.1")]
    [InlineData("t5encoder")]
    public void A_tensor_that_a_family_of_encoders_does_not_use_is_refused_by_name(string name)
    {
        using var folder = new TemporaryFolder();
        var path = EditedModel.Of(name).SetTensor("enc.blk.0.extra.weight", [1, 2], 2).Save(folder);
        using var file = GgufFile.Open(path);
        var limits = new StepLimits(16, 16) { Embedding = name == "t5encoder" ? new EmbeddingTerms() : null };
        Assert.Contains("'enc.blk.0.extra.weight'", Assert.Throws<UnsupportedModelException>(() => ModelFamilies.Find(file).Build(file, limits)).Message, StringComparison.Ordinal);
    }
}
