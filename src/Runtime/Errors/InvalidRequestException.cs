namespace Hearth.Runtime;

/// <summary>A request asks for what cannot be: a value out of its range, options that contradict each other, a prompt without a token.</summary>
/// <remarks>It is the caller's to mend: services answer 400 with the field's name, the command ends as for wrong usage.</remarks>
public sealed class InvalidRequestException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="option">The member of <see cref="GenerationOptions"/> or <see cref="GenerationRequest"/> at fault.</param>
    /// <param name="reason">What is wrong with it, to be read behind its name.</param>
    /// <param name="innerException">What caused it.</param>
    public InvalidRequestException(string option, string reason, Exception? innerException = null)
        : base($"{option} {reason}", innerException)
    {
        Option = option;
        Reason = reason;
    }

    /// <summary>The member of <see cref="GenerationOptions"/> or <see cref="GenerationRequest"/> at fault, for instance <c>TopP</c>.</summary>
    public string Option { get; }

    /// <summary>What is wrong with it, to be read behind its name: <c>must be between 0 and 1, found 1.5</c>.</summary>
    public string Reason { get; }
}
