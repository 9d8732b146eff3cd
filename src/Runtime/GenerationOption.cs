using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Hearth.Runtime;

/// <summary>One member of <see cref="GenerationOptions"/>: what callers of every kind call it and which values it takes.</summary>
/// <remarks>
/// <see cref="GenerationOptions.Table"/> lists them. Checks in every layer, the names in errors and the command's flags come
/// from it, so that an option is described once. Immutable.
/// </remarks>
internal abstract class GenerationOption
{
    private readonly string? _wireName;

    /// <summary>Describes an option.</summary>
    /// <param name="name">The member's name.</param>
    /// <param name="wireName">The field over HTTP and in settings; null: the name in snake case.</param>
    protected GenerationOption(string name, string? wireName)
    {
        Name = name;
        _wireName = wireName;
    }

    /// <summary>The member's name.</summary>
    public string Name { get; }

    /// <summary>The field over HTTP and in JSON settings.</summary>
    public string WireName => _wireName ?? SnakeCase(Name);

    /// <summary>The command's flag.</summary>
    public string Flag => FlagOf(WireName);

    /// <summary>What the command's help says of the flag; null: the command has none.</summary>
    public string? Help { get; init; }

    /// <summary>What stands for the value in the command's help.</summary>
    public string? HelpName { get; init; }

    /// <summary>What is wrong with the option's value, to be read behind its name; null for nothing.</summary>
    /// <param name="options">What a caller asked for.</param>
    /// <param name="vocabularySize">The model's, or null where it is not known.</param>
    public abstract string? FindFault(GenerationOptions options, int? vocabularySize);

    /// <summary>Whether a beam search would have to ignore the option's value.</summary>
    public virtual bool ContradictsBeams(GenerationOptions options) => false;

    /// <summary>The field that a member of <see cref="GenerationOptions"/> or <see cref="GenerationRequest"/> has over HTTP.</summary>
    public static string WireNameOf(string name) => Find(name)?.WireName ?? SnakeCase(name);

    /// <summary>The command's flag for such a member.</summary>
    public static string FlagOfMember(string name) => FlagOf(WireNameOf(name));

    private static GenerationOption? Find(string name) => GenerationOptions.Table.FirstOrDefault(option => option.Name == name);

    private static string SnakeCase(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    private static string FlagOf(string wireName) => "--" + wireName.Replace('_', '-');
}

/// <summary>An option that is a number.</summary>
internal sealed class NumberOption<T> : GenerationOption
    where T : struct, INumber<T>, IMinMaxValue<T>
{
    private readonly bool _excludesLeast;

    /// <summary>Describes an option.</summary>
    /// <param name="name">The member's name.</param>
    /// <param name="get">Reads it.</param>
    /// <param name="with">Sets it.</param>
    /// <param name="least">The least value.</param>
    /// <param name="most">The greatest value.</param>
    /// <param name="excludesLeast">Whether the least value is itself too little.</param>
    /// <param name="wireName">The field over HTTP; null: the name in snake case.</param>
    public NumberOption(
        string name, Func<GenerationOptions, T?> get, Func<GenerationOptions, T?, GenerationOptions> with, T least, T most, bool excludesLeast = false, string? wireName = null)
        : base(name, wireName)
    {
        Get = get;
        With = with;
        Least = least;
        Most = most;
        _excludesLeast = excludesLeast;
    }

    public Func<GenerationOptions, T?> Get { get; }

    public Func<GenerationOptions, T?, GenerationOptions> With { get; }

    public T Least { get; }

    public T Most { get; }

    /// <summary>What null stands for; null where that depends on the request or the model.</summary>
    public T? Default { get; init; }

    /// <summary>Whether the option is of sampling, and so contradicts a beam search unless it is <see cref="Neutral"/>.</summary>
    public bool IsOfSampling { get; init; }

    /// <summary>The value of an option of sampling by which it does nothing; null: none.</summary>
    public T? Neutral { get; init; }

    /// <summary>The option's value, the default where there is none.</summary>
    public T ValueOf(GenerationOptions options) => Get(options) ?? Default ?? throw new InvalidOperationException($"{Name} has no default of its own");

    public override string? FindFault(GenerationOptions options, int? vocabularySize)
        => Get(options) is not { } value || (_excludesLeast ? value > Least : value >= Least) && value <= Most ? null
            : string.Create(CultureInfo.InvariantCulture, $"{Range()}, found {value}");

    public override bool ContradictsBeams(GenerationOptions options) => IsOfSampling && Get(options) is { } value && value != Neutral;

    private string Range() => (_excludesLeast, Most == T.MaxValue) switch
    {
        (true, true) => string.Create(CultureInfo.InvariantCulture, $"must be greater than {Least}"),
        (false, true) => string.Create(CultureInfo.InvariantCulture, $"must be at least {Least}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"must be between {Least} and {Most}"),
    };
}

/// <summary>An option that is one of a few names.</summary>
internal sealed class NameOption : GenerationOption
{
    private readonly Func<GenerationOptions, string?> _get;
    private readonly Func<GenerationOptions, string?, GenerationOptions> _with;

    private NameOption(string name, IReadOnlyList<string> names, Func<GenerationOptions, string?> get, Func<GenerationOptions, string?, GenerationOptions> with)
        : base(name, wireName: null)
        => (Names, _get, _with) = (names, get, with);

    /// <summary>What the value may be.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Describes an option whose values are those of an enumeration, in lower case.</summary>
    public static NameOption Of<T>(string name, Func<GenerationOptions, T?> get, Func<GenerationOptions, T?, GenerationOptions> with, string help)
        where T : struct, Enum
    {
        var names = Enum.GetValues<T>().ToDictionary(SpellingOf, value => value, StringComparer.Ordinal);
        return new NameOption(
            name, [.. names.Keys], options => get(options) is { } value ? SpellingOf(value) : null,
            (options, text) => with(options, text is null ? null : names[text]))
        {
            Help = help,
            HelpName = string.Join('|', names.Keys),
        };
    }

    /// <summary>The option's value; null where there is none.</summary>
    public string? ValueOf(GenerationOptions options) => _get(options);

    /// <summary>Options with a value.</summary>
    /// <param name="options">What else was asked for.</param>
    /// <param name="value">One of <see cref="Names"/>; null: none.</param>
    /// <exception cref="InvalidRequestException">It is none of them.</exception>
    public GenerationOptions With(GenerationOptions options, string? value)
        => value is null || Names.Contains(value) ? _with(options, value) : throw new InvalidRequestException(Name, FaultOf(value));

    /// <summary>What is wrong with a text that is none of <see cref="Names"/>.</summary>
    public string FaultOf(string value) => $"must be {string.Join(", ", Names.SkipLast(1))} or {Names[^1]}, found '{(value.Length > 80 ? value[..80] + "..." : value)}'";

    public override string? FindFault(GenerationOptions options, int? vocabularySize) => _get(options) is { } value && !Names.Contains(value) ? FaultOf(value) : null;

    private static string SpellingOf<T>(T value)
        where T : struct, Enum
        => value.ToString().ToLowerInvariant();
}

/// <summary>An option that is no number; its check is its own.</summary>
internal sealed class OtherOption : GenerationOption
{
    private readonly Func<GenerationOptions, int?, string?> _findFault;

    /// <summary>Describes an option.</summary>
    /// <param name="name">The member's name.</param>
    /// <param name="findFault">What is wrong with its value, given the vocabulary's size where it is known.</param>
    /// <param name="wireName">The field over HTTP; null: the name in snake case.</param>
    public OtherOption(string name, Func<GenerationOptions, int?, string?> findFault, string? wireName = null)
        : base(name, wireName)
        => _findFault = findFault;

    public override string? FindFault(GenerationOptions options, int? vocabularySize) => _findFault(options, vocabularySize);
}
