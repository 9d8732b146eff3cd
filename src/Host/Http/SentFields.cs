namespace Hearth.Host.Http;

/// <summary>Which of several names of an option a request used, so that an error names what was sent.</summary>
internal sealed class SentFields
{
    private readonly Dictionary<string, string> _fields = [];

    /// <summary>Those of a request.</summary>
    public static SentFields Of(HttpContext context)
    {
        if (context.Features.Get<SentFields>() is { } known)
        {
            return known;
        }

        var fields = new SentFields();
        context.Features.Set(fields);
        return fields;
    }

    /// <summary>Takes note of a field.</summary>
    /// <param name="option">The member of <see cref="GenerationOptions"/> that it sets.</param>
    /// <param name="field">Its name; null where there is none.</param>
    public void Note(string option, string? field)
    {
        if (field is not null)
        {
            _fields[option] = field;
        }
    }

    /// <summary>The field that set an option, or the one that would.</summary>
    public string NameOf(string option) => _fields.GetValueOrDefault(option) ?? GenerationOption.WireNameOf(option);
}
