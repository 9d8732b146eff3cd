using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Attention of which most layers look back through a window, and the others see everything.</summary>
internal sealed record WindowedAttention
{
    /// <summary>Positions that a windowed layer's query sees; 0: no layer is windowed.</summary>
    public required int Window { get; init; }

    /// <summary>Which layers are.</summary>
    public required Func<int, bool> IsWindowed { get; init; }

    /// <summary>How windowed layers are rotated; null: not at all.</summary>
    public Rotation? Local { get; init; }

    /// <summary>How the others are rotated; null: not at all.</summary>
    public Rotation? Global { get; init; }

    /// <summary>Reads window and layers.</summary>
    /// <param name="model">The file.</param>
    /// <param name="period">Of so many layers one sees everything, where the file does not say.</param>
    /// <param name="window">The window where the file does not say; null: it must.</param>
    /// <param name="firstSeesAll">Whether it is the first of a period rather than the last.</param>
    public static WindowedAttention Read(ModelFile model, int period, int? window = null, bool firstSeesAll = false) => new()
    {
        Window = model.Keys.Size("attention.sliding_window", int.MaxValue, window, least: 0),
        IsWindowed = model.Windowed(period, firstSeesAll),
    };

    /// <summary>The same, rotated by a base of the windowed layers' own where the file has one.</summary>
    /// <param name="model">The file.</param>
    /// <param name="rotation">How all layers are rotated otherwise.</param>
    /// <param name="otherwise">The windowed layers' base where the file has none; null: the others'.</param>
    public WindowedAttention Rotated(ModelFile model, Rotation rotation, float? otherwise = null) => this with
    {
        Global = rotation,
        Local = rotation with { Terms = rotation.Terms with { Base = LocalBase(model, otherwise ?? rotation.Terms.Base) } },
    };

    /// <summary>The rotary base of windowed layers.</summary>
    public static float LocalBase(ModelFile model, float otherwise) => model.Keys.Number("rope.freq_base_swa", otherwise, least: float.Epsilon);

    /// <summary>The attention of each layer.</summary>
    /// <param name="model">The file.</param>
    /// <param name="change">What differs from the usual.</param>
    public Func<int, AttentionPart> Layers(ModelFile model, Func<SelfAttention, SelfAttention>? change = null)
    {
        change ??= a => a;
        return layer => Window > 0 && IsWindowed(layer)
            ? change(model.Attention(layer, Local)).Within(Window)
            : change(model.Attention(layer, Global));
    }
}
