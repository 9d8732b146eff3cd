namespace Hearth.Runtime.Constraints;

/// <summary>White space between the parts of JSON text.</summary>
public sealed record JsonLayout
{
    private JsonLayout(int longestRun, string comma, string colon)
    {
        LongestRun = longestRun;
        Comma = comma;
        Colon = colon;
    }

    /// <summary>Any white space wherever JSON allows it, in runs of at most 32 bytes.</summary>
    public static JsonLayout Free { get; } = FreeUpTo(32);

    /// <summary>No white space.</summary>
    public static JsonLayout Compact { get; } = new(0, ",", ":");

    /// <summary>One space behind every comma and colon, and none elsewhere.</summary>
    public static JsonLayout Spaced { get; } = new(0, ", ", ": ");

    /// <summary>Bytes of the longest run of white space; 0: it is fixed.</summary>
    public int LongestRun { get; }

    /// <summary>How a comma is written.</summary>
    internal string Comma { get; }

    /// <summary>How a colon is written.</summary>
    internal string Colon { get; }

    /// <summary>Any white space wherever JSON allows it, in runs of bounded length.</summary>
    /// <param name="longestRun">Bytes of the longest run, 1 to 1024.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is out of its range.</exception>
    public static JsonLayout FreeUpTo(int longestRun)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(longestRun, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(longestRun, 1024);
        return new(longestRun, ",", ":");
    }
}
