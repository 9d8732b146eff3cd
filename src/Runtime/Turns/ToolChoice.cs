namespace Hearth.Runtime;

/// <summary>Whether an answer may, must or must not call tools. Immutable, compared by content.</summary>
public sealed record ToolChoice
{
    private ToolChoice(ToolChoiceMode mode, IReadOnlyList<string>? allowed)
    {
        Mode = mode;
        Allowed = allowed;
    }

    /// <summary>The model decides.</summary>
    public static ToolChoice Auto { get; } = new(ToolChoiceMode.Auto, null);

    /// <summary>No calls: the answer is text. The tools stay in the prompt, so that what the cache holds of it still serves.</summary>
    public static ToolChoice None { get; } = new(ToolChoiceMode.None, null);

    /// <summary>At least one call of any of the tools.</summary>
    public static ToolChoice Required { get; } = new(ToolChoiceMode.Required, null);

    /// <summary>What is left to the model.</summary>
    public ToolChoiceMode Mode { get; }

    /// <summary>Names of the tools that may be called; null: all that the chat offers.</summary>
    public IReadOnlyList<string>? Allowed { get; }

    /// <summary>A call of one tool.</summary>
    public static ToolChoice Named(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new(ToolChoiceMode.Required, [name]);
    }

    /// <summary>Calls of some of the tools only.</summary>
    /// <param name="names">At least one of the chat's tools.</param>
    /// <param name="isRequired">Whether there must be one.</param>
    public static ToolChoice AllowedOnly(IEnumerable<string> names, bool isRequired = false)
    {
        string[] all = [.. names ?? throw new ArgumentNullException(nameof(names))];
        ArgumentOutOfRangeException.ThrowIfZero(all.Length, nameof(names));
        return new(isRequired ? ToolChoiceMode.Required : ToolChoiceMode.Auto, all);
    }

    /// <inheritdoc/>
    public bool Equals(ToolChoice? other)
        => other is not null && Mode == other.Mode && (Allowed is null ? other.Allowed is null : other.Allowed is not null && Allowed.SequenceEqual(other.Allowed));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, Allowed?.Count);
}

/// <summary>What of calling tools is left to the model.</summary>
public enum ToolChoiceMode
{
    /// <summary>Whether to call.</summary>
    Auto,

    /// <summary>Nothing: it does not.</summary>
    None,

    /// <summary>Which tool to call.</summary>
    Required,
}
