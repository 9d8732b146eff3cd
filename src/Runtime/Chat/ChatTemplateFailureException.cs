using Hearth.Runtime.Templates;

namespace Hearth.Runtime;

/// <summary>A model's chat template made no prompt of a chat: it refused the messages, failed on them, or wrote nothing.</summary>
public sealed class ChatTemplateFailureException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What happened, the template's key in the file named.</param>
    /// <param name="isRefusal">Whether the template itself said no.</param>
    /// <param name="innerException">What the template raised; null where it wrote nothing.</param>
    public ChatTemplateFailureException(string message, bool isRefusal = false, TemplateException? innerException = null)
        : base(message, innerException)
        => IsRefusal = isRefusal;

    /// <summary>Whether the template itself refused these messages (<c>raise_exception</c>): other messages may do. Otherwise it is not made for them, or broken.</summary>
    public bool IsRefusal { get; }
}
