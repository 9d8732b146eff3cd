namespace Hearth.Runtime.Constraints;

/// <summary>Says of a refused constraint what, by which keyword and where.</summary>
internal static class ConstraintPlaces
{
    /// <summary>The message with keyword and location, unless it holds them.</summary>
    public static string Describe(this ConstraintException constraint)
    {
        var keyword = constraint.Keyword is { } word && !constraint.Message.Contains(word, StringComparison.Ordinal) ? $"keyword '{word}'" : null;
        var location = constraint.Location is { Length: > 0 } place && !constraint.Message.Contains(place, StringComparison.Ordinal) ? $"at {place}" : null;
        return (keyword, location) switch
        {
            (null, null) => constraint.Message,
            (null, _) => $"{constraint.Message} ({location})",
            (_, null) => $"{constraint.Message} ({keyword})",
            _ => $"{constraint.Message} ({keyword} {location})",
        };
    }
}
