namespace Hearth.Runtime.Templates;

/// <summary>How much one rendering may take; a template comes from a model file and is not trusted.</summary>
/// <remarks>Exceeding any of them is a <see cref="TemplateException"/> of kind <c>LimitError</c>, or of the kind that Jinja2 itself
/// raises (<c>RecursionError</c>, <c>OverflowError</c>). Immutable.</remarks>
public sealed record TemplateLimits
{
    /// <summary>The limits used where none are given.</summary>
    public static TemplateLimits Default { get; } = new();

    /// <summary>Characters a template's source may have; also bounds the work of parsing. Default 1,048,576.</summary>
    public int MaxSourceLength { get; init; } = 1 << 20;

    /// <summary>Steps: an evaluated node, a loop pass, or 8 characters made, 2 elements made, or 4 to 16 characters looked at. Default 16,777,216: less than a second.</summary>
    public long MaxSteps { get; init; } = 1L << 24;

    /// <summary>UTF-16 units that the output, and any single string on the way, may have. Default 16,777,216.</summary>
    public int MaxTextLength { get; init; } = 1 << 24;

    /// <summary>Elements that a list, tuple or dictionary made by the template may have. Default 1,000,000.</summary>
    public int MaxCollectionLength { get; init; } = 1_000_000;

    /// <summary>How deep macros and recursive loops may call each other. Default 180, near Jinja2's own limit under Python.</summary>
    public int MaxCallDepth { get; init; } = 180;
}
