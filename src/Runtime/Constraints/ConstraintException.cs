namespace Hearth.Runtime.Constraints;

/// <summary>A constraint cannot be enforced: it is malformed, contradictory, too large, or uses what is not supported.</summary>
public sealed class ConstraintException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, in the words of the constraint's author.</param>
    /// <param name="location">A JSON pointer into a schema, or line and column of a grammar or an expression; empty for the whole.</param>
    /// <param name="keyword">The keyword, rule or construct at fault, or null.</param>
    public ConstraintException(string message, string location = "", string? keyword = null)
        : base(message)
    {
        Location = location;
        Keyword = keyword;
    }

    /// <summary>A JSON pointer into a schema, or line and column of a grammar or an expression; empty for the whole.</summary>
    public string Location { get; }

    /// <summary>The keyword, rule or construct at fault, or null.</summary>
    public string? Keyword { get; }
}
